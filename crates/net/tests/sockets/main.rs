//! Everything that needs a real socket.

#[cfg(test)]
mod breaks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod decoded;
#[cfg(test)]
mod health;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod resend;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod tls;
