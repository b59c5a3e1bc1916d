#include "sim/run_trial.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {

void Distribution::merge(const Distribution& other) {
    totals.merge(other.totals);
    if (buckets.size() < other.buckets.size()) buckets.resize(other.buckets.size());
    for (std::size_t i = 0; i < other.buckets.size(); ++i) buckets[i] += other.buckets[i];
}

Tick Distribution::quantile(double q) const {
    WT_EXPECTS(totals.count > 0 && q >= 0 && q <= 1);
    const auto rank = static_cast<std::uint64_t>(std::floor(q * static_cast<double>(totals.count - 1)));
    std::uint64_t seen = 0;
    for (std::uint32_t i = 0; i < buckets.size(); ++i) {
        seen += buckets[i];
        if (seen <= rank) continue;
        const std::int64_t low = SketchBuckets::lower_bound(i).count,
                           high = SketchBuckets::upper_bound(i).count;
        return std::clamp(Tick{low + (high - low) / 2}, totals.least, totals.most);
    }
    return totals.most;
}

double Distribution::mean_ticks() const {
    return totals.count == 0 ? 0 : totals.ticks.to_double() / static_cast<double>(totals.count);
}

void* TrialArena::memory(std::size_t bytes) {
    if (m_memory.size() * sizeof(Line) < bytes) {
        m_memory = {};
        m_memory.resize((bytes + sizeof(Line) - 1) / sizeof(Line));
    }
    return m_memory.data();
}

TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       ServerKind server) {
    NullObserver observer;
    if (server == ServerKind::stepwise)
        return run_trial<ContiguousLayout, StepwiseBank>(blueprint, workload, key, arena, observer);
    return run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(blueprint, workload, key, arena, observer);
}

TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       HostObserver& observer, ServerKind server) {
    if (server == ServerKind::stepwise)
        return run_trial<ContiguousLayout, StepwiseBank>(blueprint, workload, key, arena, observer);
    return run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(blueprint, workload, key, arena, observer);
}

}  // namespace windtunnel
