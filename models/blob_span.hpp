#pragma once
#include "models/host_device.hpp"

#include <cstddef>
#include <cstdint>

namespace windtunnel {

/// An array that stands in the same block of memory as this span itself, found by its distance from it. A
/// blueprint is one such block: it can be copied as a whole, to a file or to a GPU, and still be read, and
/// its bytes hold no address, so that they can be hashed. A span alone must not be copied.
template <class T>
struct BlobSpan {
    std::int64_t distance = 0;  ///< bytes from this span to the first element
    std::uint64_t count = 0;

    BlobSpan() = default;
    BlobSpan(const BlobSpan&) = delete;
    BlobSpan& operator=(const BlobSpan&) = delete;

    [[nodiscard]] WT_HD const T* data() const {
        return reinterpret_cast<const T*>(reinterpret_cast<const unsigned char*>(this) + distance);
    }
    WT_HD const T& operator[](std::size_t i) const { return data()[i]; }
    [[nodiscard]] WT_HD std::size_t size() const { return static_cast<std::size_t>(count); }
    [[nodiscard]] WT_HD const T* begin() const { return data(); }
    [[nodiscard]] WT_HD const T* end() const { return data() + count; }
};

}  // namespace windtunnel
