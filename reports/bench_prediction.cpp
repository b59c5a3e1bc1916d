#include "reports/bench_prediction.hpp"

#include "sim/laws.hpp"
#include "sim/run_trial.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

class RequestKeeper : public HostObserver {
public:
    void request_ended(const RequestRecord& r) override { records.push_back(r); }
    std::vector<RequestRecord> records;
};

}  // namespace

Result<BenchPrediction> predict_bench(const KvCapacity& capacity, const StepTimeOptions& options, Trace trace,
                                      const BenchLoad& load) {
    delay_arrivals(trace, load.delays);
    const bool shared = !trace.prefix_nodes.empty() || !trace.prefix_hashes.empty();
    BlueprintParts parts = bench_parts(server_parts(capacity, options, shared), load.engines, load.max_concurrency,
                                       load.delays, trace.span);
    if (trace.prefix_nodes.empty() && !trace.prefix_hashes.empty()) trace.prefix_nodes = prefix_tree(trace);
    parts.shared_prefixes = !trace.prefix_nodes.empty();
    if (longest_step_of(parts.servers.front()) > longest_step)
        return Problem{
            {},
            "max-num-batched-tokens",
            "the longest step of such a server could take more than 704 s, allowed: smaller batches"};
    TrialArena arena;
    for (std::uint32_t growth = 1; growth <= 1u << 20; growth *= 4) {
        const BlueprintBlock block = build(parts, growth);
        RequestKeeper keeper;
        const TrialOutcome outcome =
            run_trial(block.blueprint(), trace.view(), {load.seed, 0}, arena, keeper, load.server);
        if (outcome.tally.status == TrialStatus::outgrew_arena) continue;
        for (const std::string& law : broken_laws(block.blueprint(), outcome)) throw InternalError(law);
        std::sort(keeper.records.begin(), keeper.records.end(),
                  [](const RequestRecord& a, const RequestRecord& b) { return a.request < b.request; });
        for (RequestRecord& r : keeper.records) r.arrival -= load.delays.front_end;
        return BenchPrediction{bench_report(keeper.records, outcome.itl), std::move(keeper.records)};
    }
    throw InternalError("a trial outgrew every arena");
}

}  // namespace windtunnel
