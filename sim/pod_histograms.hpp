#pragma once
#include "models/arena.hpp"
#include "models/time.hpp"
#include "sim/blueprint.hpp"

#include <cstdint>

namespace windtunnel {

/// The histograms that pods count themselves, of those that some query reads.
template <class Layout>
class PodHistograms {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b, bool enabled) {
        const std::size_t pods = enabled ? b.pod_slots : 0;
        m_buckets = arena.template take<std::uint64_t>(pods * width(b));
        m_sums = arena.template take<std::int64_t>(pods * b.histograms.size());
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_blueprint = &b;
        m_kept = 0;
        for (const HistogramPlan& plan : b.histograms) m_kept |= 1u << static_cast<std::uint32_t>(plan.kind);
    }
    /// Its process begins: all of them are empty.
    WT_HD_COLD void restart(std::uint32_t p) {
        const Blueprint& b = *m_blueprint;
        for (std::size_t i = 0; i < width(b); ++i) m_buckets[p * width(b) + i] = 0;
        for (std::size_t h = 0; h < b.histograms.size(); ++h) m_sums[p * b.histograms.size() + h] = 0;
    }
    /// So many observations (`weight`) of a duration, or of a number of tokens.
    WT_HD void observe(std::uint32_t p, HistogramKind kind, Tick value, std::int64_t weight) {
        if ((m_kept >> static_cast<std::uint32_t>(kind) & 1) != 0) observe_kept(p, kind, value, weight);
    }
    /// What has been observed of up to a bound: the bucket of that `le`.
    [[nodiscard]] WT_HD double bucket(std::size_t h, std::uint32_t p, std::uint32_t bound) const {
        std::uint64_t n = 0;
        for (std::uint32_t i = 0; i <= bound; ++i) n += m_buckets[index_of(p, h, i)];
        return static_cast<double>(n);
    }
    [[nodiscard]] WT_HD double count(std::size_t h, std::uint32_t p) const { return bucket(h, p, m_blueprint->histograms[h].bound_count); }
    /// In seconds, or tokens.
    [[nodiscard]] WT_HD double sum(std::size_t h, std::uint32_t p) const {
        const std::int64_t sum = m_sums[p * m_blueprint->histograms.size() + h];
        return counts_tokens(m_blueprint->histograms[h].kind) ? static_cast<double>(sum) : to_seconds(Tick{sum});
    }

private:
    [[nodiscard]] WT_HD static std::size_t width(const Blueprint& b) { return b.histogram_bounds.size() + b.histograms.size(); }
    [[nodiscard]] WT_HD std::size_t index_of(std::uint32_t p, std::size_t h, std::uint32_t bucket) const {
        return p * width(*m_blueprint) + m_blueprint->histograms[h].first_bound + h + bucket;
    }
    WT_HD_COLD void observe_kept(std::uint32_t p, HistogramKind kind, Tick value, std::int64_t weight) {
        const Blueprint& b = *m_blueprint;
        for (std::size_t h = 0; h < b.histograms.size(); ++h) {
            const HistogramPlan& plan = b.histograms[h];
            if (plan.kind != kind) continue;
            std::uint32_t i = 0;
            while (i < plan.bound_count && b.histogram_bounds[plan.first_bound + i] < value) ++i;
            m_buckets[index_of(p, h, i)] += static_cast<std::uint64_t>(weight);
            m_sums[p * b.histograms.size() + h] += value.count * weight;
        }
    }

    const Blueprint* m_blueprint = nullptr;
    std::uint32_t m_kept = 0;                     ///< a bit per HistogramKind
    ArenaArray<std::uint64_t, Layout> m_buckets;  ///< [pod][histogram bounds and +Inf], not cumulative
    ArenaArray<std::int64_t, Layout> m_sums;      ///< [pod][histogram], ticks or tokens
};

}  // namespace windtunnel
