#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// The first broken expectation of a trial: our mistake, never the user's.
///
/// A trial that breaks stops with status `broken` and reports this. The same expectation breaks at the same
/// event on CPU and GPU; the text is known on the host only, where the trial is replayed alone to print it.
struct Fault {
    const char* expression = nullptr;  ///< host only
    const char* file = nullptr;        ///< host only
    std::uint32_t line = 0;            ///< 0 = nothing broke

    [[nodiscard]] WT_HD bool broken() const { return line != 0; }
    WT_HD void record(const char* text, const char* where, std::uint32_t at_line) {
        if (line != 0) return;
        line = at_line;
#if !defined(__CUDA_ARCH__)
        expression = text;
        file = where;
#else
        (void)text;
        (void)where;
#endif
    }
};

/// States what must be true inside a trial; always on. On failure records it and gives `false`, so that the
/// caller can leave before it touches memory it should not: `if (!WT_CHECK(fault, i < n)) return;`
#define WT_CHECK(fault, condition) \
    ((condition) ? true : ((fault).record(#condition, __FILE__, static_cast<std::uint32_t>(__LINE__)), false))

}  // namespace windtunnel
