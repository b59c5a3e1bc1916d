#pragma once
#include "models/blob_span.hpp"
#include "models/quantile_table.hpp"
#include "models/request.hpp"
#include "models/server_config.hpp"
#include "models/spot_market.hpp"
#include "models/time.hpp"
#include "sim/autoscaler_plan.hpp"
#include "sim/cluster_plan.hpp"

#include <cstdint>

namespace windtunnel {

struct GoodputPlan {
    Tick ttft = never;
    Tick tpot = never;
    Tick e2el = never;
    std::uint32_t good_per_million = 990'000;  ///< a minute with fewer good ones of its arrivals is degraded
    std::uint32_t minutes = 0;                 ///< that are counted, from t = 0; 0 = none is
};

/// Everything a trial reads besides the requests: one block of memory without addresses, made by
/// BlueprintBuilder. Indices instead of names, ticks instead of durations.
struct Blueprint {
    std::uint64_t bytes = 0;         ///< of the whole block
    Tick span;                       ///< arrivals and cost are counted over [0, span)
    Tick drain_limit;                ///< after the span, for what is in flight
    std::uint32_t job_capacity = 0;  ///< attempts in flight that the arena has room for, and requests (those that
                                     ///< wait to come again, or are hidden, count)
    std::uint32_t pod_slots = 0;
    std::uint32_t node_slots = 0;
    std::uint32_t max_concurrency =
        0;                  ///< closed loop: the client keeps at most this many in flight; 0 = open
    std::uint8_t cold = 0;  ///< start without replicas Ready
    std::uint8_t shared_prefixes = 0;  ///< prompts of the workload have beginnings in common
    std::uint8_t padding[2] = {};
    std::uint32_t topology_cells = 0;  ///< of all counters
    std::int32_t zone_key = -1;        ///< the topology key topology.kubernetes.io/zone; -1 = nobody uses it
    std::uint32_t bills = 0;           ///< rows of Tally::pools that nodes are counted and billed in
    Tick turnaround;  ///< closed loop: from a request's end to its successor's arrival
    GoodputPlan goodput;
    ClusterAutoscalerPlan cluster_autoscaler;
    KarpenterDisruptionRules karpenter;
    std::int64_t epoch_ms = 0;                  ///< Unix time of t = 0
    BlobSpan<std::uint32_t> workload_of_model;  ///< Request::model -> workload
    /// Request::model -> the account of its tenant 0; the tenants behind it follow. One more than models; empty = whose
    /// requests they are is not counted.
    BlobSpan<std::uint32_t> first_account;
    BlobSpan<WorkloadPlan> workloads;
    BlobSpan<ServerConfig> servers;
    BlobSpan<TemplatePlan> templates;
    BlobSpan<std::uint32_t> fit_classes;  ///< of each TemplatePlan::fit_class one template
    BlobSpan<std::int32_t> kind_servers;  ///< [first_kind + kind of GPU]: index into servers, or no_fit_server
    BlobSpan<StagePlan> stages;
    BlobSpan<LayerPlan> layers;
    BlobSpan<SourcePlan> sources;
    BlobSpan<PrefetchPlan> prefetches;
    std::uint32_t artefacts = 0;       ///< things that nodes and shared volumes keep
    std::uint32_t images = 0;          ///< of known sizes
    std::uint32_t most_stages = 0;     ///< of any template
    std::uint32_t most_transfers = 0;  ///< StagePlan::transfers of all stages of any template
    std::uint32_t start_padding = 0;
    BlobSpan<QuantileTable> tables;
    BlobSpan<PoolPlan> pools;
    BlobSpan<ShapePlan> shapes;
    BlobSpan<std::int32_t> shape_domains;    ///< [key - 1][shape]: domain of a topology key, -1 = no label
    BlobSpan<std::int32_t> topology_domains; ///< [key - 1]: how many domains it has
    BlobSpan<TopologyCounterPlan> counters;
    BlobSpan<std::uint32_t> counted_by;
    BlobSpan<SpreadRule> spread_rules;
    BlobSpan<AffinityRule> affinity_rules;
    BlobSpan<ShapeSet> node_terms;           ///< shapes that match a node-affinity term
    BlobSpan<ShapeWish> shape_wishes;        ///< [template with wishes][shape]
    BlobSpan<ShapeSet> capacity_sets;        ///< shapes that an event takes from the market
    BlobSpan<CloudQuotaPlan> cloud_quotas;
    BlobSpan<SpotMarketPlan> spot_markets;
    BlobSpan<SpotCapacityChange> spot_capacities;
    BlobSpan<SpotPriceChange> spot_prices;
    BlobSpan<SpotNodeLife> spot_lives;
    BlobSpan<KarpenterPoolPlan> karpenter_pools;
    BlobSpan<KarpenterBudgetPlan> karpenter_budgets;
    ScrapePlan scrape;
    BlobSpan<Tick> scrape_loops;            ///< intervals; the first is Prometheus' own
    BlobSpan<OutagePlan> outages;
    BlobSpan<StreamPlan> streams;           ///< what is scraped: the series that some query reads
    BlobSpan<StreamSource> stream_sources;  ///< [streams]
    BlobSpan<HistogramPlan> histograms;
    BlobSpan<Tick> histogram_bounds;
    BlobSpan<QueryPlan> queries;
    BlobSpan<PromqlInstruction> instructions;
    BlobSpan<std::int32_t> words;
    BlobSpan<double> numbers;
    BlobSpan<ActiveInterval> intervals;
    BlobSpan<AutoscalerPlan> autoscalers;
    std::uint64_t alert_instances = 0;  ///< of all alerts
    BlobSpan<AlertPlan> alerts;
    BlobSpan<AlertGroupPlan> alert_groups;
    BlobSpan<ScheduledScale> schedule;
    BlobSpan<ClusterEventPlan> events;
    BlobSpan<DisruptionBudgetPlan> budgets;
    BlobSpan<QuotaPlan> quotas;
    BlobSpan<CronPlan> crons;
    BlobSpan<Tick> cron_hits;  ///< ascending within each CronJob
    BlobSpan<DegradationPlan> degradations;
    BlobSpan<std::int32_t> slow_servers;  ///< [first_slow + server]: the slower one, by index into servers
    BlobSpan<std::int32_t> turn_servers;  ///< [(n - 2) x servers + server]: the one whose device n engines share
    std::uint32_t most_turns = 1;         ///< that any device may have; 1 = none is shared by time
    std::uint32_t turn_padding = 0;

    /// Whether it is counted whose requests servers work for.
    [[nodiscard]] WT_HD bool keeps_accounts() const { return first_account.count > 0; }
};

/// Whom a request is charged to; requires that accounts are kept.
WT_HD inline std::uint32_t account_of(const Blueprint& b, const Request& r) {
    return b.first_account[r.model] + r.tenant;
}
/// How many accounts are kept.
WT_HD inline std::uint32_t account_count(const Blueprint& b) {
    const auto spans = static_cast<std::uint32_t>(b.first_account.size());
    return spans == 0 ? 0 : b.first_account[spans - 1];
}

/// Who pays for a request's traffic: its account, or where none are kept its workload.
WT_HD inline std::uint32_t payer_of(const Blueprint& b, const Request& r) {
    return b.keeps_accounts() ? account_of(b, r) : b.workload_of_model[r.model];
}
WT_HD inline std::uint32_t payer_count(const Blueprint& b) {
    return b.keeps_accounts() ? account_count(b) : static_cast<std::uint32_t>(b.workloads.size());
}

/// Which future: the same seed and trial are the same weather, whatever the configuration.
struct TrialKey {
    std::uint64_t seed = 1;
    std::uint32_t trial = 0;
};

}  // namespace windtunnel
