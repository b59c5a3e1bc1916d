#pragma once
#include "models/host_device.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace windtunnel {

/// How the arrays of a trial lie in memory. `lanes` trials share one arena; element i of an array of lane l
/// stands at index i*lanes + l, so that the threads of a warp that touch the same element of their trials
/// touch neighbouring memory. On a CPU a trial has its arena to itself.
struct ContiguousLayout {
    static constexpr std::uint32_t lanes = 1;
};
struct InterleavedLayout {
    static constexpr std::uint32_t lanes = 32;
};

#if defined(__SANITIZE_ADDRESS__)
#define WT_ARENA_BOUNDS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WT_ARENA_BOUNDS 1
#endif
#endif

/// A hint that memory is touched soon; a GPU hides its waits by itself.
WT_HD inline void expect_memory([[maybe_unused]] const void* at) {
#ifndef __CUDA_ARCH__
    __builtin_prefetch(at);
#endif
}

/// An array inside a trial's arena. Trivially copyable; does not own. Sanitizers see no bounds inside an arena: where
/// they are on, it checks its own.
template <class T, class Layout>
class ArenaArray {
public:
    ArenaArray() = default;
    WT_HD ArenaArray(T* first, [[maybe_unused]] std::size_t count) : m_first(first) {
#ifdef WT_ARENA_BOUNDS
        m_count = count;
#endif
    }
    WT_HD T& operator[](std::size_t i) const {
#ifdef WT_ARENA_BOUNDS
        if (i >= m_count) __builtin_trap();
#endif
        return m_first[i * Layout::lanes];
    }
    [[nodiscard]] WT_HD bool valid() const { return m_first != nullptr; }

private:
    T* m_first = nullptr;
#ifdef WT_ARENA_BOUNDS
    std::size_t m_count = 0;
#endif
};

/// Hands out arrays from a block of memory, in a fixed order, so that a dry run over no memory gives the
/// size. Memory is not initialised: who takes an array fills it.
template <class Layout>
class Arena {
public:
    /// A dry run: counts bytes, hands out arrays that must not be touched.
    WT_HD Arena() = default;
    /// `memory` holds `bytes_per_trial * Layout::lanes` bytes, aligned to 64.
    WT_HD Arena(void* memory, std::size_t bytes_per_trial, std::uint32_t lane)
        : m_memory(static_cast<unsigned char*>(memory)), m_size(bytes_per_trial), m_lane(lane) {}

    template <class T>
    WT_HD ArenaArray<T, Layout> take(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 16);
        constexpr std::size_t unit = alignment_of(sizeof(T));
        const std::size_t offset = (m_used + unit - 1) / unit * unit;
        m_used = offset + count * sizeof(T);
        if (m_memory == nullptr || m_used > m_size) return ArenaArray<T, Layout>{};
        return ArenaArray<T, Layout>{reinterpret_cast<T*>(m_memory + offset * Layout::lanes) + m_lane, count};
    }
    /// An array in one piece even where trials interleave: for the control plane, whose rare calls take
    /// plain pointers.
    template <class T>
    WT_HD T* take_plain(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 16);
        constexpr std::size_t unit = alignment_of(sizeof(T));
        const std::size_t offset = (m_used + unit - 1) / unit * unit;
        const std::size_t bytes = (count * sizeof(T) + unit - 1) / unit * unit;
        m_used = offset + bytes;
        if (m_memory == nullptr || m_used > m_size) return nullptr;
        return reinterpret_cast<T*>(m_memory + offset * Layout::lanes + bytes * m_lane);
    }
    [[nodiscard]] WT_HD std::size_t used() const { return (m_used + 63) / 64 * 64; }
    [[nodiscard]] WT_HD bool overflowed() const { return m_memory != nullptr && m_used > m_size; }

private:
    /// Elements of a line of memory's size, or of several, begin on one.
    WT_HD static constexpr std::size_t alignment_of(std::size_t size) { return size % 64 == 0 ? 64 : 16; }

    unsigned char* m_memory = nullptr;
    std::size_t m_size = 0;
    std::size_t m_used = 0;
    std::uint32_t m_lane = 0;
};

}  // namespace windtunnel
