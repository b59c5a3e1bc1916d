#pragma once
#include <cstdint>

namespace windtunnel {

inline constexpr std::int64_t gib = std::int64_t{1} << 30;  ///< bytes

}  // namespace windtunnel
