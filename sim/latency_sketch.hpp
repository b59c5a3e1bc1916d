#pragma once
#include "models/arena.hpp"
#include "models/time.hpp"
#include "models/wide_sum.hpp"

#include <cstdint>

namespace windtunnel {

/// Which bucket a duration falls into: log-linear in integers, without `log`. A duration in units of
/// 2^12 ticks (41 ns) is cut to its leading bit and 8 more: relative error at most 2^-8 (0.4%) above 10 µs,
/// at most 41 ns below. Durations above 2^56 ticks (8.3 days) share the last bucket.
struct SketchBuckets {
    static constexpr int unit_bits = 12;
    static constexpr int mantissa_bits = 8;
    static constexpr int largest_exponent = 56 - unit_bits;
    static constexpr std::uint32_t count = (largest_exponent - mantissa_bits + 2) << mantissa_bits;

    WT_HD static int leading_bit(std::uint64_t v) {
#if defined(__CUDA_ARCH__)
        return 63 - __clzll(static_cast<long long>(v));
#else
        return 63 - __builtin_clzll(v);
#endif
    }
    WT_HD static std::uint32_t index_of(Tick duration) {
        const std::uint64_t v =
            duration.count <= 0 ? 0 : static_cast<std::uint64_t>(duration.count) >> unit_bits;
        if (v < (2u << mantissa_bits)) return static_cast<std::uint32_t>(v);
        const int e = leading_bit(v);
        if (e > largest_exponent) return count - 1;
        return (static_cast<std::uint32_t>(e - mantissa_bits) << mantissa_bits) +
               static_cast<std::uint32_t>(v >> (e - mantissa_bits));
    }
    /// The first duration that no longer belongs to bucket i.
    WT_HD static Tick upper_bound(std::uint32_t i) {
        return {static_cast<std::int64_t>(lower(i + 1) << unit_bits)};
    }
    WT_HD static Tick lower_bound(std::uint32_t i) {
        return {static_cast<std::int64_t>(lower(i) << unit_bits)};
    }

private:
    WT_HD static std::uint64_t lower(std::uint32_t i) {
        if (i < (2u << mantissa_bits)) return i;
        const std::uint32_t e = (i >> mantissa_bits) - 1;  // steps of 2^e
        return static_cast<std::uint64_t>((i & ((1u << mantissa_bits) - 1)) | (1u << mantissa_bits)) << e;
    }
};

/// Count, exact sum, extremes: what a sketch knows besides its buckets.
struct LatencyTotals {
    std::uint64_t count = 0;
    WideSum ticks;
    Tick least = never;
    Tick most;

    WT_HD void add(Tick first, Tick last, WideSum sum, std::uint64_t n) {
        count += n;
        ticks.merge(sum);
        least = min(least, first);
        most = max(most, last);
    }
    WT_HD void merge(const LatencyTotals& other) { add(other.least, other.most, other.ticks, other.count); }
    bool operator==(const LatencyTotals&) const = default;
};

/// A mergeable distribution of durations inside a trial. Merging adds bucket by bucket: exact, in any order.
template <class Layout>
class LatencySketch {
public:
    WT_HD void take_memory(Arena<Layout>& arena) {
        m_buckets = arena.template take<std::uint64_t>(SketchBuckets::count);
    }
    WT_HD void clear() {
        for (std::uint32_t i = 0; i < SketchBuckets::count; ++i) m_buckets[i] = 0;
        m_totals = {};
    }
    WT_HD_HOT void add(Tick duration, std::uint64_t times = 1) {
        m_buckets[SketchBuckets::index_of(duration)] += times;
        WideSum sum;
        sum.add_product(static_cast<std::uint64_t>(duration.count), times);
        m_totals.add(duration, duration, sum, times);
    }
    /// Adds `times` of each of first, first + increment, … (n terms), bucket by bucket instead of one by one.
    WT_HD_CALL void add_progression(Tick first, Tick increment, std::int64_t n, std::uint64_t times) {
        if (n == 1 || increment.count == 0) return add(first, static_cast<std::uint64_t>(n) * times);
        const Tick last = first + increment * (n - 1);
        for (std::int64_t done = 0; done < n;) {
            const Tick at = first + increment * done;
            const std::uint32_t bucket = SketchBuckets::index_of(at);
            std::int64_t end = n;
            if (bucket != SketchBuckets::count - 1 && SketchBuckets::index_of(last) != bucket) {
                const std::int64_t room = SketchBuckets::upper_bound(bucket).count - at.count;  // > 0
                end = done + (room + increment.count - 1) / increment.count;
                if (end > n) end = n;
            }
            m_buckets[bucket] += static_cast<std::uint64_t>(end - done) * times;
            done = end;
        }
        WideSum sum;
        sum.add_product(static_cast<std::uint64_t>(n * first.count + increment.count * (n * (n - 1) / 2)),
                        times);
        m_totals.add(first, last, sum, static_cast<std::uint64_t>(n) * times);
    }
    [[nodiscard]] WT_HD const LatencyTotals& totals() const { return m_totals; }
    [[nodiscard]] WT_HD std::uint64_t bucket(std::uint32_t i) const { return m_buckets[i]; }

private:
    ArenaArray<std::uint64_t, Layout> m_buckets;
    LatencyTotals m_totals;
};

}  // namespace windtunnel
