#include "sim/blueprint_builder.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <utility>

namespace windtunnel {

namespace {

constexpr std::size_t alignment = 64;

/// Two passes over the same description: the first, without memory, measures.
class Layouter {
public:
    explicit Layouter(unsigned char* memory) : m_memory(memory) {}

    template <class T>
    T* place(std::size_t count) {
        m_used =
            (m_used + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
        T* at = m_memory == nullptr ? nullptr : reinterpret_cast<T*>(m_memory + m_used);
        m_used += count * sizeof(T);
        return at;
    }
    /// Copies `values` into the block and lets `span`, which stands in the block, point to them.
    template <class T>
    void fill(BlobSpan<T>* span, const std::vector<T>& values) {
        T* at = place<T>(values.size());
        if (at == nullptr) return;
        std::copy(values.begin(), values.end(), at);
        link(*span, at, values.size());
    }
    /// The same of a table that many have alike, as servers of one model on one kind of GPU do: equal ones stand in the
    /// block once, which is what caches have room for.
    void fill_shared(BlobSpan<Tick>* span, const std::vector<Tick>& values) {
        const auto alike = [&](const SharedTable& t) { return *t.values == values; };
        const auto found = std::find_if(m_shared.begin(), m_shared.end(), alike);
        if (found != m_shared.end()) {
            if (span != nullptr) link(*span, reinterpret_cast<const Tick*>(m_memory + found->at), values.size());
            return;
        }
        fill(span, values);
        m_shared.push_back({&values, m_used - values.size() * sizeof(Tick)});
    }
    template <class T>
    static void link(BlobSpan<T>& span, const T* first, std::size_t count) {
        span.distance =
            reinterpret_cast<const unsigned char*>(first) - reinterpret_cast<const unsigned char*>(&span);
        span.count = count;
    }
    [[nodiscard]] std::size_t used() const { return m_used; }

private:
    struct SharedTable {
        const std::vector<Tick>* values = nullptr;
        std::size_t at = 0;
    };
    unsigned char* m_memory;
    std::size_t m_used = 0;
    std::vector<SharedTable> m_shared;
};

/// Gives templates that ask for the same and may go to the same shapes one fit class; returns the first of each.
std::vector<std::uint32_t> classify(std::vector<TemplatePlan>& templates) {
    std::vector<std::uint32_t> firsts;
    for (std::uint32_t t = 0; t < templates.size(); ++t) {
        TemplatePlan& plan = templates[t];
        const auto alike = [&](std::uint32_t other) {
            const TemplatePlan& first = templates[other];
            return plan.needs == first.needs && plan.scoring_cpu_milli == first.scoring_cpu_milli &&
                   plan.scoring_memory == first.scoring_memory && plan.shapes.is_subset_of(first.shapes) &&
                   first.shapes.is_subset_of(plan.shapes) && plan.tainted.is_subset_of(first.tainted) &&
                   first.tainted.is_subset_of(plan.tainted);
        };
        const auto found = std::find_if(firsts.begin(), firsts.end(), alike);
        plan.fit_class = static_cast<std::uint32_t>(found - firsts.begin());
        if (found == firsts.end()) firsts.push_back(t);
    }
    return firsts;
}

/// Fills in what templates' stages leave open: what they need, and what they make where that has no name. The
/// revisions of a workload make the same things.
struct StartLayout {
    explicit StartLayout(const BlueprintParts& parts) : artefacts(parts.artefacts) {}

    void add(const TemplateParts& from) {
        stages = from.stages;
        std::uint32_t transfers = 0;
        for (std::uint32_t i = 0; i < stages.size(); ++i) {
            StagePlan& stage = stages[i];
            if (stage.after == StagePlan::all_before) stage.after = (1u << i) - 1;
            if (stage.once_per_node) {
                stage.kept = Kept::node;
                stage.one_at_a_time = 1;
            }
            if (stage.artefact < 0 && (stage.kept == Kept::node || stage.kept == Kept::cluster)) {
                const auto known = own.emplace(std::pair{from.plan.workload, i}, static_cast<std::int32_t>(artefacts));
                artefacts += known.second ? 1 : 0;
                stage.artefact = known.first->second;
            }
            transfers += stage.transfers();
        }
        most_stages = std::max(most_stages, static_cast<std::uint32_t>(stages.size()));
        most_transfers = std::max(most_transfers, transfers);
    }

    std::vector<StagePlan> stages;  ///< of the template added last
    std::uint32_t artefacts, most_stages = 0, most_transfers = 0;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::int32_t> own;  ///< (workload, stage) -> artefact
};

void lay_out(Layouter& out, const BlueprintParts& parts, std::uint32_t growth) {
    auto* b = out.place<Blueprint>(1);
    std::vector<WorkloadPlan> workloads = parts.workloads;
    std::vector<StagePlan> stages;
    std::uint32_t pods = 0;
    for (WorkloadPlan& w : workloads) {
        w.first_pod = pods;
        pods += w.pod_slots;
    }
    StartLayout starts(parts);
    std::vector<TemplatePlan> templates;
    std::vector<SpreadRule> spread;
    std::vector<AffinityRule> affinity;
    std::vector<ShapeWish> wishes;
    std::vector<ShapeSet> node_terms;
    std::vector<std::uint32_t> counted_by;
    std::vector<std::int32_t> kind_servers;
    const auto append = [](auto& all, const auto& some, std::uint32_t& first, std::uint32_t& count) {
        first = static_cast<std::uint32_t>(all.size());
        count = static_cast<std::uint32_t>(some.size());
        all.insert(all.end(), some.begin(), some.end());
    };
    for (const TemplateParts& from : parts.templates) {
        TemplatePlan plan = from.plan;
        plan.first_stage = static_cast<std::uint32_t>(stages.size());
        plan.stage_count = static_cast<std::uint32_t>(from.stages.size());
        starts.add(from);
        stages.insert(stages.end(), starts.stages.begin(), starts.stages.end());
        append(spread, from.spread, plan.first_spread, plan.spread_count);
        append(affinity, from.affinity, plan.first_affinity, plan.affinity_count);
        plan.first_wish = from.wishes.empty() ? -1 : static_cast<std::int32_t>(wishes.size());
        wishes.insert(wishes.end(), from.wishes.begin(), from.wishes.end());
        std::uint32_t behind = 0;
        append(node_terms, from.required_terms, plan.first_node_term, plan.required_terms);
        append(node_terms, from.preferred_terms, behind, plan.preferred_terms);
        append(counted_by, from.counted_by, plan.first_counted, plan.counted_count);
        plan.first_kind = from.kind_servers.empty() ? -1 : static_cast<std::int32_t>(kind_servers.size());
        kind_servers.insert(kind_servers.end(), from.kind_servers.begin(), from.kind_servers.end());
        // A container that asks for no cpu or memory counts 100 mCPU and 200 MiB in scores (kubernetes.md 7.3); a pod
        // whose containers are not known is taken for one.
        const PodRules defaults;
        if (plan.scoring_cpu_milli < 0)
            plan.scoring_cpu_milli = plan.needs[resource_cpu_milli] > 0 ? plan.needs[resource_cpu_milli]
                                                                        : defaults.scoring_cpu_milli;
        if (plan.scoring_memory < 0)
            plan.scoring_memory = plan.needs[resource_memory_bytes] > 0 ? plan.needs[resource_memory_bytes]
                                                                        : defaults.scoring_memory;
        templates.push_back(plan);
    }
    const std::vector<std::uint32_t> fit_classes = classify(templates);
    std::vector<PoolPlan> pools = parts.pools;
    std::uint32_t nodes = 0;
    for (PoolPlan& p : pools) {
        p.first_node = nodes;
        nodes += p.node_slots;
    }
    std::vector<TopologyCounterPlan> counters = parts.counters;
    std::uint32_t cells = 0;
    for (TopologyCounterPlan& c : counters) {
        c.first_cell = cells;
        c.domains = c.key == topology_hostname ? nodes
                                               : static_cast<std::uint32_t>(parts.topology_domains[c.key - 1]);
        cells += c.domains;
    }
    if (b != nullptr) {
        new (b) Blueprint;
        b->topology_cells = cells;
        b->zone_key = parts.zone_key;
        for (const ShapePlan& shape : parts.shapes) b->bills = std::max({b->bills, shape.bill + 1, shape.reserved > 0 ? shape.reserved_bill + 1 : 0});
        b->span = parts.span;
        b->drain_limit = parts.drain_limit;
        b->job_capacity = parts.job_capacity * growth;
        b->pod_slots = pods;
        b->node_slots = nodes;
        b->max_concurrency = parts.max_concurrency;
        b->cold = parts.cold;
        b->shared_prefixes = parts.shared_prefixes;
        b->turnaround = parts.turnaround;
        b->goodput = parts.goodput;
        b->cluster_autoscaler = parts.cluster_autoscaler;
        b->karpenter = parts.karpenter;
        b->epoch_ms = parts.epoch_ms;
        b->artefacts = starts.artefacts;
        b->images = parts.images;
        b->most_stages = starts.most_stages;
        b->most_transfers = starts.most_transfers;
    }
    out.fill(b ? &b->workload_of_model : nullptr, parts.workload_of_model);
    out.fill(b ? &b->first_account : nullptr, parts.first_account);
    out.fill(b ? &b->workloads : nullptr, workloads);
    out.fill(b ? &b->templates : nullptr, templates);
    out.fill(b ? &b->fit_classes : nullptr, fit_classes);
    out.fill(b ? &b->kind_servers : nullptr, kind_servers);
    out.fill(b ? &b->stages : nullptr, stages);
    out.fill(b ? &b->layers : nullptr, parts.layers);
    out.fill(b ? &b->sources : nullptr, parts.sources);
    out.fill(b ? &b->prefetches : nullptr, parts.prefetches);
    out.fill(b ? &b->tables : nullptr, parts.tables);
    out.fill(b ? &b->pools : nullptr, pools);
    out.fill(b ? &b->shapes : nullptr, parts.shapes);
    out.fill(b ? &b->shape_domains : nullptr, parts.shape_domains);
    out.fill(b ? &b->topology_domains : nullptr, parts.topology_domains);
    out.fill(b ? &b->counters : nullptr, counters);
    out.fill(b ? &b->counted_by : nullptr, counted_by);
    out.fill(b ? &b->spread_rules : nullptr, spread);
    out.fill(b ? &b->affinity_rules : nullptr, affinity);
    out.fill(b ? &b->node_terms : nullptr, node_terms);
    out.fill(b ? &b->shape_wishes : nullptr, wishes);
    out.fill(b ? &b->capacity_sets : nullptr, parts.capacity_sets);
    out.fill(b ? &b->cloud_quotas : nullptr, parts.cloud_quotas);
    out.fill(b ? &b->spot_markets : nullptr, parts.spot_markets);
    out.fill(b ? &b->spot_capacities : nullptr, parts.spot_capacities);
    out.fill(b ? &b->spot_prices : nullptr, parts.spot_prices);
    out.fill(b ? &b->spot_lives : nullptr, parts.spot_lives);
    out.fill(b ? &b->karpenter_pools : nullptr, parts.karpenter_pools);
    out.fill(b ? &b->karpenter_budgets : nullptr, parts.karpenter_budgets);
    if (b != nullptr) b->scrape = parts.scrape;
    out.fill(b ? &b->scrape_loops : nullptr, parts.scrape_loops);
    out.fill(b ? &b->outages : nullptr, parts.outages);
    out.fill(b ? &b->streams : nullptr, parts.streams);
    out.fill(b ? &b->stream_sources : nullptr, parts.stream_sources);
    out.fill(b ? &b->histograms : nullptr, parts.histograms);
    out.fill(b ? &b->histogram_bounds : nullptr, parts.histogram_bounds);
    out.fill(b ? &b->queries : nullptr, parts.queries);
    out.fill(b ? &b->instructions : nullptr, parts.instructions);
    out.fill(b ? &b->words : nullptr, parts.words);
    out.fill(b ? &b->numbers : nullptr, parts.numbers);
    out.fill(b ? &b->intervals : nullptr, parts.intervals);
    out.fill(b ? &b->autoscalers : nullptr, parts.autoscalers);
    std::vector<AlertPlan> alerts = parts.alerts;
    std::uint64_t instances = 0;
    for (AlertPlan& alert : alerts) {
        alert.first_instance = static_cast<std::uint32_t>(instances);
        alert.instance_capacity *= growth;
        instances += alert.instance_capacity;
    }
    if (b != nullptr) b->alert_instances = instances;
    out.fill(b ? &b->alerts : nullptr, alerts);
    out.fill(b ? &b->alert_groups : nullptr, parts.alert_groups);
    out.fill(b ? &b->schedule : nullptr, parts.schedule);
    out.fill(b ? &b->events : nullptr, parts.events);
    out.fill(b ? &b->budgets : nullptr, parts.budgets);
    out.fill(b ? &b->quotas : nullptr, parts.quotas);
    out.fill(b ? &b->crons : nullptr, parts.crons);
    out.fill(b ? &b->cron_hits : nullptr, parts.cron_hits);
    out.fill(b ? &b->degradations : nullptr, parts.degradations);
    out.fill(b ? &b->slow_servers : nullptr, parts.slow_servers);
    out.fill(b ? &b->turn_servers : nullptr, parts.turn_servers);
    if (b != nullptr) b->most_turns = parts.most_turns;
    auto* servers = out.place<ServerConfig>(parts.servers.size());
    if (b != nullptr) Layouter::link(b->servers, servers, parts.servers.size());
    for (std::size_t i = 0; i < parts.servers.size(); ++i) {
        const ServerParts& from = parts.servers[i];
        ServerConfig* to = servers == nullptr ? nullptr : new (servers + i) ServerConfig;
        if (to != nullptr) {
            to->max_num_seqs = from.max_num_seqs;
            to->max_num_batched_tokens = from.max_num_batched_tokens;
            to->block_size = from.block_size;
            to->max_model_len = from.max_model_len;
            to->usable_blocks = from.usable_blocks;
            to->full_groups = from.full_groups;
            to->window_groups = from.window_groups;
            to->window_tokens = from.window_tokens;
            to->watermark_blocks = from.watermark_blocks;
            to->chunked_prefill = from.chunked_prefill;
            to->reserve_full_sequence = from.reserve_full_sequence;
            to->extra_cuts = from.extra_cuts;
            to->prefix_caching = from.prefix_caching;
            to->asynchronous = from.asynchronous;
            to->by_priority = from.by_priority;
            to->prefill_first = from.prefill_first;
            to->swaps = from.swaps;
            to->swap_blocks = from.swap_blocks;
            to->swap_block_time = from.swap_block_time;
            to->long_prefill_threshold = from.long_prefill_threshold;
            to->draft_tokens = from.draft_tokens;
            to->drops_last_hit = from.drops_last_hit;
            to->lookahead_tokens = from.lookahead_tokens;
            to->acceptance_q32 = from.acceptance_q32;
            to->per_sampled_row = from.cost.per_sampled_row;
            to->prefill_ticks_per_pair_q16 = from.cost.prefill_ticks_per_pair_q16;
        }
        if (to != nullptr) {
            to->kind = from.kind;
            to->hands_over = from.hands_over;
            to->receives = from.receives;
            to->kv_block_bytes = from.kv_block_bytes;
            to->data_parallel = from.data_parallel;
            to->pipeline_stages = from.pipeline_stages;
            to->instances = from.instances;
            to->capacity_milli = from.capacity_milli;
            to->delay_from_pick = from.delay_from_pick;
            to->timed = from.timed;
            to->queue_delay = from.queue_delay;
            to->batch_base = from.batch_base;
            to->batch_request = from.batch_request;
            to->batch_token = from.batch_token;
            to->front_request = from.front_request;
            to->front_prompt_token = from.front_prompt_token;
            to->front_output_token = from.front_output_token;
            to->host_wait = from.host_wait;
        }
        out.fill(to ? &to->preferred_sizes : nullptr, from.preferred_sizes);
        out.fill_shared(to ? &to->decode_step : nullptr, from.cost.decode_step);
        out.fill_shared(to ? &to->mixed_step : nullptr, from.cost.mixed_step);
        out.fill(to ? &to->attention : nullptr, from.cost.attention);
    }
}

void check(const ServerParts& s) {
    WT_EXPECTS(s.max_num_seqs >= 1 && s.max_num_batched_tokens >= s.max_num_seqs);
    WT_EXPECTS(s.block_size >= 1 && s.block_size <= 16'384 && s.max_model_len >= 1);
    WT_EXPECTS(s.full_groups >= 0 && s.window_groups >= 0 && s.full_groups + s.window_groups >= 1);
    WT_EXPECTS(s.usable_blocks >= most_blocks_of(s, s.max_model_len));
    if (s.window_groups > 0)
        WT_EXPECTS(s.window_tokens >= (s.prefix_caching ? 2 : 1) && !s.prefill_first && s.draft_tokens == 0);
    else
        WT_EXPECTS(s.full_groups == 1);
    WT_EXPECTS(s.long_prefill_threshold >= 0 && s.draft_tokens >= 0 && s.draft_tokens <= 64);
    WT_EXPECTS(!s.drops_last_hit || (s.draft_tokens > 0 && !s.hands_over));
    if (s.prefill_first) {
        WT_EXPECTS(!s.asynchronous && !s.by_priority && s.long_prefill_threshold == 0 && s.draft_tokens == 0 && !s.chunked_prefill);
        WT_EXPECTS(!s.prefix_caching && !s.reserve_full_sequence && s.max_num_batched_tokens >= s.max_model_len);
        // A sequence alone keeps a block free, and comes back over the watermark.
        WT_EXPECTS(s.usable_blocks > (s.max_model_len + s.block_size - 1) / s.block_size + s.watermark_blocks);
    }
    WT_EXPECTS(!s.swaps || (s.prefill_first && s.swap_blocks >= 0 && s.swap_block_time >= Tick{}));
    if (s.hands_over || s.receives) {
        WT_EXPECTS(s.kind == ReplicaKind::continuous && !s.prefill_first && s.window_groups == 0 && s.pipeline_stages == 1);
        WT_EXPECTS(s.kv_block_bytes >= 0 && !(s.hands_over && s.receives));
        WT_EXPECTS(!s.hands_over || s.long_prefill_threshold == 0 || !s.prefix_caching);
    }
    WT_EXPECTS(s.data_parallel >= 1 && s.data_parallel <= 128);
    WT_EXPECTS(s.pipeline_stages >= 1 && s.pipeline_stages <= 128);
    WT_EXPECTS(s.pipeline_stages == 1 || (!s.asynchronous && !s.prefill_first && s.draft_tokens == 0 && s.host_wait == Tick{}));
    WT_EXPECTS(s.instances >= 1 && s.instances <= 1024 && s.capacity_milli >= 1 && s.capacity_milli <= 1'000'000);
    WT_EXPECTS(s.watermark_blocks >= 0 && s.watermark_blocks < s.usable_blocks);
    WT_EXPECTS(s.cost.decode_step.size() == static_cast<std::size_t>(s.max_num_seqs) + 1);
    WT_EXPECTS(s.cost.mixed_step.size() == static_cast<std::size_t>(s.max_num_batched_tokens) + 1);
    WT_EXPECTS(!s.cost.attention.empty() && s.cost.attention.front().from_tokens == 0);
    WT_EXPECTS(longest_step_of(s) <= longest_step);
    for (std::size_t n = 1; n < s.cost.decode_step.size(); ++n) WT_EXPECTS(s.cost.decode_step[n].count > 0);
    for (std::size_t n = 1; n < s.cost.mixed_step.size(); ++n) WT_EXPECTS(s.cost.mixed_step[n].count > 0);
}

}  // namespace

void BlueprintParts::add(WorkloadPlan workload, TemplateParts revision) {
    workload.first_template = static_cast<std::uint32_t>(templates.size());
    workload.template_count = 1;
    revision.plan.workload = static_cast<std::uint32_t>(workloads.size());
    workloads.push_back(workload);
    templates.push_back(std::move(revision));
}

std::uint32_t BlueprintParts::add_revision(std::uint32_t workload, TemplateParts revision) {
    WorkloadPlan& owner = workloads[workload];
    const std::uint32_t at = owner.first_template + owner.template_count++;
    revision.plan.workload = workload;
    for (TemplateParts& t : templates)
        if (t.plan.worker_template >= static_cast<std::int32_t>(at)) ++t.plan.worker_template;
    if (revision.plan.worker_template >= static_cast<std::int32_t>(at)) ++revision.plan.worker_template;
    templates.insert(templates.begin() + at, std::move(revision));
    for (std::uint32_t w = 0; w < workloads.size(); ++w)
        if (w != workload && workloads[w].first_template >= at) ++workloads[w].first_template;
    for (ClusterEventPlan& e : events)
        if (e.kind == ClusterEventKind::rollout && e.revision >= at) ++e.revision;
    return at;
}

void BlueprintParts::add(PoolPlan pool, const std::vector<ShapePlan>& of_pool) {
    pool.first_shape = static_cast<std::uint32_t>(shapes.size());
    pool.shape_count = static_cast<std::uint32_t>(of_pool.size());
    for (ShapePlan shape : of_pool) {
        shape.pool = static_cast<std::uint32_t>(pools.size());
        shapes.push_back(shape);
    }
    pools.push_back(pool);
}

void BlueprintParts::add(PoolPlan pool, ShapePlan shape) {
    shape.bill = static_cast<std::uint32_t>(pools.size());
    add(pool, std::vector<ShapePlan>{shape});
}

std::int64_t most_blocks_of(const ServerParts& server, std::int64_t tokens) {
    ServerConfig config;
    config.block_size = server.block_size;
    config.max_num_batched_tokens = server.max_num_batched_tokens;
    config.full_groups = server.full_groups;
    config.window_groups = server.window_groups;
    config.window_tokens = server.window_tokens;
    return config.most_blocks(tokens);
}

Tick longest_step_of(const ServerParts& s) {
    Tick base;
    for (const Tick t : s.cost.decode_step) base = max(base, t);
    for (const Tick t : s.cost.mixed_step) base = max(base, t);
    const std::int64_t longest = std::int64_t{s.max_num_seqs} * s.max_model_len;
    // Where all layers have windows, blocks do not bound the context.
    const double context = static_cast<double>(
        s.full_groups == 0 ? longest : std::min<std::int64_t>(s.usable_blocks * s.block_size, longest));
    const double tokens = s.max_num_batched_tokens;
    const double pairs = tokens * std::min<double>(s.max_model_len, context);
    double attention = 0;
    for (const ContextSegment& c : s.cost.attention)
        attention = std::max(attention, static_cast<double>(c.at_from.count) +
                                            static_cast<double>(c.ticks_per_token) *
                                                std::max(0.0, context - static_cast<double>(c.from_tokens)));
    // At most the whole pool moves out, or in.
    const double moved = s.swaps ? static_cast<double>(s.usable_blocks) * static_cast<double>(s.swap_block_time.count) : 0;
    const double all = static_cast<double>(base.count) + moved +
                       static_cast<double>(s.cost.per_sampled_row.count) * s.max_num_seqs +
                       pairs * static_cast<double>(s.cost.prefill_ticks_per_pair_q16) / 65536.0 + attention;
    return all < 4e18 ? Tick{static_cast<std::int64_t>(all)} : never;
}

BlueprintBlock::BlueprintBlock(std::size_t bytes)
    : m_memory(static_cast<unsigned char*>(::operator new (bytes, std::align_val_t{alignment}))) {
    std::memset(m_memory.get(), 0, bytes);
}
void BlueprintBlock::Free::operator()(unsigned char* p) const {
    ::operator delete (p, std::align_val_t{alignment});
}

BlueprintBlock build(const BlueprintParts& parts, std::uint32_t growth) {
    WT_EXPECTS(parts.span.count >= 0 && parts.drain_limit.count >= 0 &&
               parts.span + parts.drain_limit < end_of_time);
    WT_EXPECTS(!parts.workloads.empty() && parts.workloads.size() <= max_workloads &&
               parts.pools.size() <= max_pools);
    for (const ServerParts& s : parts.servers) check(s);
    for (const WorkloadPlan& w : parts.workloads) {
        WT_EXPECTS(w.pod_slots >= 1 && w.template_count >= 1 &&
                   w.first_template + w.template_count <= parts.templates.size());
        WT_EXPECTS(w.per_replica_limit == 0 || w.routing == Routing::least_requests);
        WT_EXPECTS(w.ordinals.group_size >= 1 && w.pod_slots % w.ordinals.group_size == 0);
        WT_EXPECTS(w.ordinals.group_size == 1 || w.controller == WorkloadController::ordinals);
        WT_EXPECTS(w.controller != WorkloadController::ordinals ||
                   w.initial_replicas * w.ordinals.group_size <= w.pod_slots);
        WT_EXPECTS(w.cron < static_cast<std::int32_t>(parts.crons.size()));
        WT_EXPECTS(w.connections == 0 || w.routing == Routing::random);
        WT_EXPECTS(!w.hands_out() || (w.hold && !w.retry.tracked()));
        WT_EXPECTS(w.retry.attempts >= 1 && w.retry.jitter_milli <= 1000 && w.hand_outs >= 1);
    }
    for (const TemplateParts& t : parts.templates)
        WT_EXPECTS(t.plan.workload < parts.workloads.size() &&
                   t.plan.server < static_cast<std::int32_t>(parts.servers.size()));
    for (const TemplateParts& t : parts.templates)
        WT_EXPECTS(t.plan.busy_pods >= 1 && t.plan.worker_template < static_cast<std::int32_t>(parts.templates.size()));
    for (const TemplateParts& t : parts.templates) {
        WT_EXPECTS(t.stages.size() <= max_stages && t.plan.container_stage <= t.stages.size());
        for (std::size_t i = 0; i < t.stages.size(); ++i) {
            const StagePlan& stage = t.stages[i];
            WT_EXPECTS(stage.after == StagePlan::all_before || stage.after >> i == 0);
            WT_EXPECTS(stage.bytes >= 0 && (stage.source == no_link || stage.source < parts.sources.size()));
            WT_EXPECTS(stage.artefact < static_cast<std::int32_t>(parts.artefacts));
            WT_EXPECTS(stage.image < static_cast<std::int32_t>(parts.images) && (stage.image < 0 || stage.kept == Kept::node));
            if (stage.layer_count == 0) continue;
            WT_EXPECTS(stage.once_per_node && stage.fixed.count > 0 && stage.downloads >= 1 && stage.downloads <= most_downloads);
            WT_EXPECTS(stage.layer_count <= most_layers && stage.first_layer + stage.layer_count <= parts.layers.size());
        }
        WT_EXPECTS(std::count_if(t.stages.begin(), t.stages.end(), [](const StagePlan& s) { return s.layer_count > 0; }) <= 1);
    }
    for (const LayerPlan& l : parts.layers) {
        WT_EXPECTS(l.bytes > 0 && l.unpacked > 0 && l.download.count > 0 && l.unpack.count > 0 && l.blob >= 0 && l.chain >= 0);
        WT_EXPECTS(std::max(l.blob, l.chain) < static_cast<std::int32_t>(parts.artefacts));
    }
    for (const PrefetchPlan& p : parts.prefetches)
        WT_EXPECTS(p.pool < parts.pools.size() && p.stage.bytes > 0 && p.stage.artefact >= 0 &&
                   p.stage.artefact < static_cast<std::int32_t>(parts.artefacts));
    for (const CronPlan& c : parts.crons)
        WT_EXPECTS(c.first_hit + c.hit_count <= parts.cron_hits.size() &&
                   c.first_workload + c.workload_count <= parts.workloads.size());
    WT_EXPECTS(parts.shapes.size() <= max_shapes);
    for (const ClusterEventPlan& e : parts.events)
        WT_EXPECTS(is_of_workload(e.kind)                              ? e.target < parts.workloads.size()
                   : e.kind == ClusterEventKind::no_capacity           ? e.target < parts.capacity_sets.size()
                   : e.kind == ClusterEventKind::source_changes        ? e.target < parts.sources.size()
                   : e.kind == ClusterEventKind::lose_zone             ? e.target < karpenter_max_zones
                   : is_of_reservation(e.kind)                         ? e.target < parts.shapes.size()
                   : e.kind == ClusterEventKind::capacity_returns || e.target < parts.pools.size());
    for (const ClusterEventPlan& e : parts.events) {
        if (e.kind == ClusterEventKind::rollout)
            WT_EXPECTS(e.revision < parts.templates.size() &&
                       parts.templates[e.revision].plan.workload == e.target);
        else if (e.kind == ClusterEventKind::degrade || e.kind == ClusterEventKind::recover)
            WT_EXPECTS(e.revision < parts.degradations.size());
    }
    WT_EXPECTS(parts.turn_servers.size() == (parts.most_turns - 1) * parts.servers.size());
    WT_EXPECTS(parts.degradations.size() < 255);  // a pod notes its own in 8 bits
    for (const TemplateParts& t : parts.templates)
        for (const std::int32_t server : t.kind_servers)
            WT_EXPECTS(server == no_fit_server || server < static_cast<std::int32_t>(parts.servers.size()));
    std::uint32_t kinds = 0;
    for (const ShapePlan& shape : parts.shapes) {
        WT_EXPECTS(shape.bill < max_pools && shape.reserved_bill < max_pools && shape.zone < karpenter_max_zones);
        for (const DeviceRange& range : shape.devices)
            WT_EXPECTS(range.den > 0 && range.first + range.count <= 64 &&
                       (!range.takes_turns || range.clients <= parts.most_turns));
        kinds = std::max(kinds, shape.gpu_kind + 1);
    }
    for (const TemplateParts& t : parts.templates)
        WT_EXPECTS(t.kind_servers.empty() || t.kind_servers.size() >= kinds);
    for (const PoolPlan& p : parts.pools)
        WT_EXPECTS(p.shape_count >= 1 && p.first_shape + p.shape_count <= parts.shapes.size());
    std::int32_t groups = 0;
    for (const PoolPlan& p : parts.pools)
        for (std::uint32_t i = p.first_shape; i < p.first_shape + p.shape_count; ++i)
            groups += i == p.first_shape ||
                              (p.zone_groups && parts.shapes[i].zone != parts.shapes[i - 1].zone)
                          ? 1
                          : 0;
    WT_EXPECTS(groups <= ca_max_groups || parts.pools.empty());
    WT_EXPECTS(parts.streams.size() == parts.stream_sources.size());
    WT_EXPECTS(!parts.scrape_loops.empty() && parts.scrape_loops.size() < 4096 && parts.scrape.delay.count >= 0 &&
               parts.scrape.metrics_server_resolution.count > 0);
    for (const Tick& interval : parts.scrape_loops) WT_EXPECTS(interval.count >= scrape_phases);
    for (const WorkloadPlan& w : parts.workloads) WT_EXPECTS(w.scrape_loop < parts.scrape_loops.size());
    for (const AlertPlan& a : parts.alerts)
        WT_EXPECTS(a.query < parts.queries.size() && a.instance_capacity >= 1 && a.rule.hold_for.count >= 0 &&
                   a.rule.keep_firing_for.count >= 0);
    for (const AlertGroupPlan& g : parts.alert_groups)
        WT_EXPECTS(g.first_alert + g.alert_count <= parts.alerts.size() && g.interval.count > 0);
    for (const AutoscalerPlan& a : parts.autoscalers) {
        WT_EXPECTS(a.workload < parts.workloads.size());
        WT_EXPECTS(a.trigger_count <= hpa_max_metrics && a.hpa.metric_count <= hpa_max_metrics);
        WT_EXPECTS(a.formula_metric < a.hpa.metric_count);
        for (std::uint32_t t = 0; t < a.trigger_count; ++t)
            WT_EXPECTS(a.triggers[t].metric < a.hpa.metric_count &&
                       (a.triggers[t].metric >= 0 || a.formula_metric >= 0));
        WT_EXPECTS(a.hpa.sync_period.count > 0 && a.keda.polling_interval.count > 0);
    }
    for (const std::uint32_t w : parts.workload_of_model) WT_EXPECTS(w < parts.workloads.size());
    for (const WorkloadPlan& plan : parts.workloads)  // requests of its own would wait to be read for ever
        for (const std::uint32_t w : parts.workload_of_model) WT_EXPECTS(plan.prefill.workload != static_cast<std::int32_t>(w));

    Layouter measure(nullptr);
    lay_out(measure, parts, growth);
    BlueprintBlock block(measure.used());
    Layouter fill(block.bytes());
    lay_out(fill, parts, growth);
    auto* b = reinterpret_cast<Blueprint*>(block.bytes());
    WT_EXPECTS(b->pod_slots < 0xfffe);  // two numbers stand for "at no replica"
    b->bytes = fill.used();
    return block;
}

}  // namespace windtunnel
