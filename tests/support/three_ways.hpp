#pragma once
#include "sim/laws.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>
#include <cstring>

namespace windtunnel::lab {

/// Runs a trial with jumping servers, with step-by-step ones (in memory full of other things) and in an interleaved
/// arena, which must come out the same and keep the laws. The arena grows until the trial fits.
inline TrialOutcome run_three_ways(const BlueprintParts& parts, const std::vector<Request>& requests, TrialKey key) {
    for (std::uint32_t growth = 1;; growth *= 4) {
        const BlueprintBlock block = build(parts, growth);
        const Blueprint& b = block.blueprint();
        const WorkloadView view{requests.data(), requests.size(), b.span};
        LawObserver fast(b);
        NullObserver none;
        TrialArena arena;
        TrialOutcome one = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(b, view, key, arena, fast);
        if (one.tally.status == TrialStatus::outgrew_arena && growth < 1024) continue;
        std::memset(arena.memory(arena.size()), 0xbe, arena.size());
        const TrialOutcome two = run_trial<ContiguousLayout, StepwiseBank>(b, view, key, arena, none);
        const TrialOutcome three =
            run_trial<InterleavedLayout, ArenaBank<InterleavedLayout>>(b, view, key, arena, none);
        const std::vector<std::string> laws = broken_laws(b, one);
        if (!laws.empty())
            FAIL(laws.front() << " " << (one.tally.fault.expression != nullptr ? one.tally.fault.expression : ""));
        if (!fast.broken.empty()) FAIL(fast.broken.front());
        if (!differences(one, two).empty()) FAIL("stepwise servers differ in" << differences(one, two));
        if (!differences(one, three).empty()) FAIL("an interleaved arena differs in" << differences(one, three));
        return one;
    }
}

}  // namespace windtunnel::lab
