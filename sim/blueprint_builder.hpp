#pragma once
#include "sim/blueprint.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace windtunnel {

/// A server as the host describes it, before it is laid out.
struct ServerParts {
    std::int32_t max_num_seqs = 1, max_num_batched_tokens = 1, block_size = 16, max_model_len = 1;
    std::int64_t usable_blocks = 1, watermark_blocks = 0;
    std::int32_t full_groups = 1, window_groups = 0, window_tokens = 0;
    bool chunked_prefill = true, reserve_full_sequence = false, extra_cuts = false, prefix_caching = false;
    bool asynchronous = false, by_priority = false, prefill_first = false, swaps = false;
    std::int64_t swap_blocks = 0;
    Tick swap_block_time;
    std::int32_t long_prefill_threshold = 0, draft_tokens = 0, lookahead_tokens = 0;
    bool drops_last_hit = false;
    std::uint32_t acceptance_q32 = 0;
    ReplicaKind kind = ReplicaKind::continuous;
    std::int32_t data_parallel = 1, pipeline_stages = 1;
    std::int32_t instances = 1, capacity_milli = 1000;
    bool delay_from_pick = false, timed = false;
    bool hands_over = false, receives = false;  ///< KV of prompts, to and from other servers
    std::int64_t kv_block_bytes = 0;
    Tick queue_delay, batch_base, batch_request, batch_token;
    Tick front_request, front_prompt_token, front_output_token, host_wait;
    std::vector<std::int32_t> preferred_sizes;
    StepCostTable cost;
};

/// A pod template as the host describes it.
struct TemplateParts {
    TemplatePlan plan;
    std::vector<StagePlan> stages;
    std::vector<SpreadRule> spread;
    std::vector<AffinityRule> affinity;
    std::vector<ShapeWish> wishes;          ///< [shapes]; empty = none
    std::vector<ShapeSet> required_terms;   ///< by term, where there are several: the shapes that match it
    std::vector<ShapeSet> preferred_terms;  ///< the heaviest first
    std::vector<std::uint32_t> counted_by;  ///< counters that count its pods
    std::vector<std::int32_t> kind_servers;  ///< its server by kind of GPU; empty = plan.server on all
};

/// Everything of a blueprint as vectors; plain structs without their spans. `first_pod`, `first_node` and
/// the like are filled in by build().
struct BlueprintParts {
    Tick span, drain_limit;
    std::uint32_t job_capacity = 4096;
    std::uint32_t max_concurrency = 0;
    bool cold = false;
    bool shared_prefixes = false;  ///< prompts of the workload have beginnings in common
    Tick turnaround;
    GoodputPlan goodput;
    ClusterAutoscalerPlan cluster_autoscaler;
    KarpenterDisruptionRules karpenter;
    std::int64_t epoch_ms = 0;
    std::vector<AlertPlan> alerts;
    std::vector<AlertGroupPlan> alert_groups;
    std::vector<std::uint32_t> workload_of_model{0};
    std::vector<std::uint32_t> first_account;  ///< as Blueprint::first_account
    std::vector<WorkloadPlan> workloads;
    std::vector<TemplateParts> templates;
    std::vector<ServerParts> servers;
    std::vector<LayerPlan> layers;
    std::vector<SourcePlan> sources;
    std::vector<PrefetchPlan> prefetches;
    std::uint32_t artefacts = 0;  ///< that stages name; those without a name get one of their own
    std::uint32_t images = 0;     ///< of known sizes, that stages name
    std::vector<QuantileTable> tables;
    std::vector<PoolPlan> pools;
    std::vector<ShapePlan> shapes;
    std::vector<std::int32_t> shape_domains;     ///< [key - 1][shape], for topology keys other than the host
    std::vector<std::int32_t> topology_domains;  ///< [key - 1]
    std::vector<TopologyCounterPlan> counters;   ///< key, shapes, counts_terminating; build() lays out cells
    std::int32_t zone_key = -1;
    std::vector<ShapeSet> capacity_sets;
    std::vector<CloudQuotaPlan> cloud_quotas;
    std::vector<SpotMarketPlan> spot_markets;
    std::vector<SpotCapacityChange> spot_capacities;  ///< ascending within each market
    std::vector<SpotPriceChange> spot_prices;
    std::vector<SpotNodeLife> spot_lives;
    std::vector<KarpenterPoolPlan> karpenter_pools;
    std::vector<KarpenterBudgetPlan> karpenter_budgets;
    ScrapePlan scrape;
    std::vector<Tick> scrape_loops{seconds(15)};
    std::vector<OutagePlan> outages;
    std::vector<StreamPlan> streams;
    std::vector<StreamSource> stream_sources;
    std::vector<HistogramPlan> histograms;
    std::vector<Tick> histogram_bounds;
    std::vector<QueryPlan> queries;
    std::vector<PromqlInstruction> instructions;
    std::vector<std::int32_t> words;
    std::vector<double> numbers;
    std::vector<ActiveInterval> intervals;
    std::vector<AutoscalerPlan> autoscalers;
    std::vector<ScheduledScale> schedule;  ///< sorted by time
    std::vector<ClusterEventPlan> events;  ///< sorted by time
    std::vector<DisruptionBudgetPlan> budgets;
    std::vector<QuotaPlan> quotas;
    std::vector<CronPlan> crons;
    std::vector<Tick> cron_hits;
    std::vector<DegradationPlan> degradations;
    std::vector<std::int32_t> slow_servers;
    std::vector<std::int32_t> turn_servers;
    std::uint32_t most_turns = 1;

    /// Adds a workload of one revision, or a pool with its shapes, and links the two halves.
    void add(WorkloadPlan workload, TemplateParts revision);
    void add(PoolPlan pool, const std::vector<ShapePlan>& of_pool);
    /// A pool of one shape, billed in the row of its index.
    void add(PoolPlan pool, ShapePlan shape);
    /// Adds a further revision to a workload, for a rollout; returns its index. The templates of the workloads
    /// behind it move up by one, and the events that name them.
    std::uint32_t add_revision(std::uint32_t workload, TemplateParts revision);
};

/// A blueprint and the memory it stands in.
class BlueprintBlock {
public:
    explicit BlueprintBlock(std::size_t bytes);
    [[nodiscard]] const Blueprint& blueprint() const {
        return *reinterpret_cast<const Blueprint*>(m_memory.get());
    }
    [[nodiscard]] unsigned char* bytes() { return m_memory.get(); }

private:
    struct Free {
        void operator()(unsigned char* p) const;
    };
    std::unique_ptr<unsigned char, Free> m_memory;
};

/// Lays the parts out in one block, checks the engine's bounds (throws InternalError: the compiler of
/// scenarios has to refuse such input before). `growth` multiplies the room for requests in flight.
[[nodiscard]] BlueprintBlock build(const BlueprintParts& parts, std::uint32_t growth = 1);

/// The most KV blocks that a request of `tokens` holds at any time.
[[nodiscard]] std::int64_t most_blocks_of(const ServerParts& server, std::int64_t tokens);

/// The longest step that a server with these limits can take.
[[nodiscard]] Tick longest_step_of(const ServerParts& parts);

}  // namespace windtunnel
