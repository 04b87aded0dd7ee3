"""Makes a tiny llama model with random weights and one token per byte.

The text it generates is noise; tokenising, streaming, usage and stop reasons are real.
usage: tiny_gguf.py OUT.gguf
"""

import sys

import gguf
import numpy as np

LAYERS, WIDTH, INNER, HEADS, CONTEXT = 2, 64, 128, 4, 4096
UNKNOWN, CONTROL, BYTE = 2, 3, 6
TEMPLATE = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def vocabulary():
    """Tokens and their kinds: three marks, then every byte."""
    marks = [(b"<unk>", UNKNOWN), (b"<s>", CONTROL), (b"</s>", CONTROL)]
    return marks + [(b"<0x%02X>" % byte, BYTE) for byte in range(256)]


def describe(writer, tokens):
    """Writes the model's shape and tokenizer."""
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


def fill(writer, words):
    """Writes the weights: the same noise each time."""
    noise = np.random.default_rng(7)

    def random(*shape):
        return (noise.standard_normal(shape) * 0.3).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", random(words, WIDTH))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", random(words, WIDTH))
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", random(WIDTH, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", random(INNER, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", random(INNER, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", random(WIDTH, INNER))


def main(out):
    """Writes the model to `out`."""
    tokens = vocabulary()
    writer = gguf.GGUFWriter(out, "llama")
    describe(writer, tokens)
    fill(writer, len(tokens))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(sys.argv[1])
