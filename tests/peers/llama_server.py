"""Serves a model with llama.cpp's own HTTP server; at port 0, on one that the kernel chooses.

usage: llama_server.py MODEL.gguf PORT AT_ONCE
"""

import sys
import threading

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[2])
parameters.n_parallel = int(sys.argv[3])
parameters.n_ctx = 2048 * parameters.n_parallel
parameters.n_predict = 64
parameters.warmup = False
parameters.offline = True
parameters.cpuparams.n_threads = 1
parameters.model_alias = {"tiny-random"}
parameters.embedding = True
parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(parameters)
print("serving", server.listening_address, flush=True)
threading.Event().wait()
