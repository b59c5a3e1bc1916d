#pragma once
#include "models/arena.hpp"
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// The place of the lowest set bit. Requires word != 0.
WT_HD inline std::uint32_t lowest_bit(std::uint64_t word) {
#if defined(__CUDA_ARCH__)
    return static_cast<std::uint32_t>(__ffsll(static_cast<long long>(word))) - 1;
#else
    return static_cast<std::uint32_t>(__builtin_ctzll(word));
#endif
}

/// A set of indices below a fixed bound, in a trial's arena. Walking through it in ascending order costs a
/// few steps for each member, however large the bound: 64 words that are all empty are skipped at one look.
template <class Layout>
class IndexSet {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::size_t bound) {
        m_words = (bound + 63) / 64;
        m_bits = arena.template take<std::uint64_t>(m_words);
        m_summary = arena.template take<std::uint64_t>((m_words + 63) / 64);
    }
    WT_HD_COLD void clear() {
        m_count = 0;
        for (std::size_t i = 0; i < m_words; ++i) m_bits[i] = 0;
        for (std::size_t i = 0; i < (m_words + 63) / 64; ++i) m_summary[i] = 0;
    }
    /// The same members as a set of the same bound.
    WT_HD_COLD void copy(const IndexSet& other) {
        m_count = other.m_count;
        for (std::size_t i = 0; i < m_words; ++i) m_bits[i] = other.m_bits[i];
        for (std::size_t i = 0; i < (m_words + 63) / 64; ++i) m_summary[i] = other.m_summary[i];
    }
    [[nodiscard]] WT_HD std::uint32_t size() const { return m_count; }
    [[nodiscard]] WT_HD bool has(std::uint32_t i) const { return (m_bits[i / 64] >> (i % 64) & 1) != 0; }
    WT_HD_CALL void add(std::uint32_t i) {
        if (has(i)) return;
        ++m_count;
        m_bits[i / 64] |= std::uint64_t{1} << (i % 64);
        m_summary[i / 4096] |= std::uint64_t{1} << (i / 64 % 64);
    }
    WT_HD_CALL void remove(std::uint32_t i) {
        if (!has(i)) return;
        --m_count;
        m_bits[i / 64] &= ~(std::uint64_t{1} << (i % 64));
        if (m_bits[i / 64] == 0) m_summary[i / 4096] &= ~(std::uint64_t{1} << (i / 64 % 64));
    }
    WT_HD void set(std::uint32_t i, bool member) {
        if (member)
            add(i);
        else
            remove(i);
    }
    [[nodiscard]] WT_HD std::uint32_t first() const { return next(0); }
    /// The least member that is at least `from`; `none` where there is none.
    [[nodiscard]] WT_HD_CALL std::uint32_t next(std::uint32_t from) const {
        std::size_t word = from / 64;
        if (word >= m_words) return none;
        const std::uint64_t rest = m_bits[word] >> (from % 64);
        if (rest != 0) return from + lowest_bit(rest);
        ++word;
        std::uint64_t groups = word < m_words ? m_summary[word / 64] >> (word % 64) << (word % 64) : 0;
        for (std::size_t group = word / 64; group * 64 < m_words; ++group) {
            if (group > word / 64) groups = m_summary[group];
            if (groups == 0) continue;
            const std::size_t at = group * 64 + lowest_bit(groups);
            return static_cast<std::uint32_t>(at * 64) + lowest_bit(m_bits[at]);
        }
        return none;
    }

private:
    ArenaArray<std::uint64_t, Layout> m_bits;     ///< a bit for each index
    ArenaArray<std::uint64_t, Layout> m_summary;  ///< a bit for each word that is not empty
    std::size_t m_words = 0;
    std::uint32_t m_count = 0;
};

}  // namespace windtunnel
