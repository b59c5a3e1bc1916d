#pragma once
#include "models/request.hpp"

#include <cstdint>
#include <vector>

namespace windtunnel {

/// Requests whose prompts begin alike: first a text that a group has in common, then what was said before in the same
/// conversation. Poisson arrivals, lognormal lengths.
struct ConversationSpec {
    std::uint64_t requests = 1;
    double rate = 1;                 ///< per second
    std::uint32_t shared_nodes = 1;  ///< of a group's text
    std::uint32_t groups = 1;        ///< half of the conversations have one of these
    std::uint32_t prompt = 1000;     ///< median tokens that a turn adds
    std::uint32_t output = 100;      ///< median tokens
    std::uint32_t turns = 1;         ///< of a conversation
};
struct Conversations {
    std::vector<Request> requests;
    std::vector<std::uint32_t> nodes;
};
[[nodiscard]] Conversations conversations(const ConversationSpec& spec, std::uint32_t tokens_per_node);

}  // namespace windtunnel
