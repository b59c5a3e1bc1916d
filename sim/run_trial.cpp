#include "sim/run_trial.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <cmath>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

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
    if (m_size >= bytes) return m_memory;
    // A large cluster's arrays go far beyond what a TLB covers in pages of 4 KiB; the system is asked for huge ones.
    constexpr std::size_t line = 64, huge = std::size_t{2} << 20;
    const std::size_t unit = bytes < 2 * huge ? line : huge;
    m_owned.reset();
    m_memory = nullptr;
    m_size = 0;
    const std::size_t size = (bytes + unit - 1) / unit * unit;
    // Fresh pages of the system are zero already, and those that the trial never touches cost nothing.
    std::size_t room = size + unit;
    m_owned.reset(std::calloc(room, 1));
    if (m_owned == nullptr) throw std::bad_alloc();
    m_memory = m_owned.get();
    (void)std::align(unit, size, m_memory, room);
    m_size = size;
#if defined(__linux__)
    if (unit == huge) (void)madvise(m_memory, size, MADV_HUGEPAGE);  // where it will not, all is as it was
#endif
    return m_memory;
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
