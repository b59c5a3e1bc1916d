#pragma once
#include "models/random.hpp"

#include <cstdint>

namespace windtunnel {

/// Of the tokens proposed behind a request's output number `outputs`, how many the model accepts: each with
/// the same chance while those before it were accepted. A property of the text: the same whoever computes it,
/// and when.
[[nodiscard]] WT_HD inline std::uint32_t accepted_drafts(std::uint64_t seed, std::uint32_t trial,
                                                         std::uint32_t request, std::uint32_t outputs,
                                                         std::uint32_t proposed,
                                                         std::uint32_t acceptance_q32) {
    RandomStream stream(seed, trial, StreamPurpose::speculation, request, outputs * 16);
    std::uint32_t accepted = 0;
    while (accepted < proposed && static_cast<std::uint32_t>(stream.next_u64() >> 32) < acceptance_q32)
        ++accepted;
    return accepted;
}

}  // namespace windtunnel
