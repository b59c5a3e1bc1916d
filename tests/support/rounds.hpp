#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace windtunnel::lab {

/// How many random cases a test tries: `few`, and `many` with WINDTUNNEL_LONG=1 (make test-all). Under
/// sanitizers, where one takes about five times as long, a fifth of those.
inline std::uint64_t rounds(std::uint64_t few, std::uint64_t many) {
    if (std::getenv("WINDTUNNEL_LONG") == nullptr) return few;
#if defined(__SANITIZE_ADDRESS__)
    return std::max(few, many / 5);
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return std::max(few, many / 5);
#endif
#endif
    return many;
}

}  // namespace windtunnel::lab
