#pragma once
#include "models/kv_capacity.hpp"
#include "sim/blueprint_builder.hpp"

namespace windtunnel {

/// Whether some layers see no more than a window of the context, in groups with block tables of their own.
[[nodiscard]] bool has_windows(const KvCapacity& capacity);
[[nodiscard]] bool has_states(const KvCapacity& capacity);

/// Lets the windows of the layers act in the scheduler: `parts` has a pool of `blocks`, null block included, of which
/// every group of layers takes its own, and which windows give back (vllm.md 2.7, 3.9). Where prompts share prefixes
/// (`shared_prefixes`) and `parts` caches them, it goes on doing so, every group by itself. Else they are not cached:
/// the cache would serve nobody but who is preempted, who computes its tokens again.
void use_windows(const KvCapacity& capacity, std::int64_t blocks, bool shared_prefixes, ServerParts& parts);

/// The longest request that the pool holds alone, `kept` blocks aside. Tokens.
[[nodiscard]] std::int64_t longest_alone(const ServerParts& parts, std::int64_t kept, std::int64_t most);

/// Groups of recurrent layers: each request holds a block of each while it runs, however long it is. The scheduler does
/// not count them one by one: of `blocks`, those of as many requests as may run are set aside (at most as many as
/// would have two blocks of context each), and prefixes are not cached, as in vLLM. How many blocks that is.
std::int64_t use_states(const KvCapacity& capacity, std::int64_t blocks, ServerParts& parts);

}  // namespace windtunnel
