#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// Offerings = node shapes (instance type, zone, capacity type) that autoscalers choose from. A scenario
/// with more is refused when it is compiled.
inline constexpr std::int32_t karpenter_max_offerings = 1024;

/// A set of offerings, by index.
struct OfferingSet {
    static constexpr std::int32_t word_count = karpenter_max_offerings / 64;
    std::uint64_t words[word_count] = {};

    WT_HD constexpr bool has(std::int32_t i) const { return (words[i / 64] >> (i % 64) & 1) != 0; }
    WT_HD constexpr void add(std::int32_t i) { words[i / 64] |= std::uint64_t{1} << (i % 64); }
    WT_HD constexpr void remove(std::int32_t i) { words[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
    WT_HD constexpr bool empty() const {
        for (const std::uint64_t word : words)
            if (word != 0) return false;
        return true;
    }
    [[nodiscard]] WT_HD constexpr std::int32_t count() const {
        std::int32_t members = 0;
        for (std::uint64_t word : words)
            for (; word != 0; word &= word - 1) ++members;
        return members;
    }
    /// The least member that is at least `from`; -1 where there is none. Empty words cost one look each.
    [[nodiscard]] WT_HD_CALL constexpr std::int32_t next(std::int32_t from) const {
        for (std::int32_t w = from / 64; w < word_count; ++w) {
            std::uint64_t rest = words[w];
            if (w == from / 64) rest = rest >> (from % 64) << (from % 64);
            if (rest == 0) continue;
            std::int32_t at = w * 64;
            for (std::int32_t half = 32; half > 0; half /= 2)
                if ((rest & ((std::uint64_t{1} << half) - 1)) == 0) {
                    rest >>= half;
                    at += half;
                }
            return at;
        }
        return -1;
    }
    WT_HD constexpr OfferingSet& operator&=(const OfferingSet& other) {
        for (std::int32_t i = 0; i < word_count; ++i) words[i] &= other.words[i];
        return *this;
    }
    WT_HD constexpr OfferingSet& operator|=(const OfferingSet& other) {
        for (std::int32_t i = 0; i < word_count; ++i) words[i] |= other.words[i];
        return *this;
    }
    /// What is in this set and not in `other`.
    [[nodiscard]] WT_HD constexpr OfferingSet without(const OfferingSet& other) const {
        OfferingSet rest;
        for (std::int32_t i = 0; i < word_count; ++i) rest.words[i] = words[i] & ~other.words[i];
        return rest;
    }
    [[nodiscard]] WT_HD constexpr bool is_subset_of(const OfferingSet& other) const {
        return without(other).empty();
    }
    /// The first `count` offerings.
    WT_HD static constexpr OfferingSet first(std::int32_t count) {
        OfferingSet set;
        for (std::int32_t i = 0; i < count; ++i) set.add(i);
        return set;
    }
};

}  // namespace windtunnel
