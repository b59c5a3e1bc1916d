#include "scenarios/traces/kv_groups.hpp"

#include <algorithm>

namespace windtunnel {

bool has_windows(const KvCapacity& capacity) {
    return std::any_of(capacity.groups.begin(), capacity.groups.end(),
                       [](const KvGroup& g) { return g.window_tokens > 0; });
}

bool has_states(const KvCapacity& capacity) {
    return std::any_of(capacity.groups.begin(), capacity.groups.end(), [](const KvGroup& g) { return g.state; });
}

std::int64_t use_states(const KvCapacity& capacity, std::int64_t blocks, ServerParts& parts) {
    std::int64_t states = 0, attention = 0;
    for (const KvGroup& g : capacity.groups) (g.state ? states : attention) += g.count;
    attention = std::max<std::int64_t>(attention, 1);
    const std::int64_t running = std::min<std::int64_t>(parts.max_num_seqs, blocks / (states + 2 * attention));
    parts.usable_blocks = std::max<std::int64_t>((blocks - running * states) / attention - 1, 1);
    parts.prefix_caching = false;
    return running * states;
}

void use_windows(const KvCapacity& capacity, std::int64_t blocks, bool shared_prefixes, ServerParts& parts) {
    parts.full_groups = parts.window_groups = 0;
    for (const KvGroup& g : capacity.groups) {
        (g.window_tokens > 0 ? parts.window_groups : parts.full_groups) += g.count;
        parts.window_tokens = std::max(parts.window_tokens, g.window_tokens);
    }
    parts.usable_blocks = blocks - 1;
    parts.prefix_caching = parts.prefix_caching && shared_prefixes && parts.window_tokens > 1;
}

std::int64_t longest_alone(const ServerParts& parts, std::int64_t kept, std::int64_t most) {
    const auto fits = [&](std::int64_t tokens) { return most_blocks_of(parts, tokens) <= parts.usable_blocks - kept; };
    if (fits(most)) return most;
    std::int64_t low = 0, high = most;  // low fits
    while (high - low > 1) {
        const std::int64_t middle = (low + high) / 2;
        (fits(middle) ? low : high) = middle;
    }
    return low;
}

}  // namespace windtunnel
