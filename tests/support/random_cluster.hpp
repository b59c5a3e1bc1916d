#pragma once
#include "sim/run_trial.hpp"
#include "tests/support/server_lab.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

/// Whole random trials, and what two runs of one may not differ in.
namespace windtunnel::lab {

/// Pods of one GPU on the first kind of nodes, served by the first server.
inline TemplateParts one_gpu_pods(std::int64_t cpu_milli, std::int64_t memory_bytes) {
    TemplateParts t;
    t.plan.server = 0;
    t.plan.needs = resource_amounts(1, cpu_milli, memory_bytes, 1);
    t.plan.shapes.add(0);
    return t;
}
inline ShapePlan one_gpu_nodes(std::int64_t cpu_milli, std::int64_t memory_bytes) {
    ShapePlan s;
    s.capacity = s.allocatable = resource_amounts(1, cpu_milli, memory_bytes, 110);
    s.gpus = 1;
    return s;
}

/// A server whose every step takes 10 ms.
inline ServerParts plain_server() {
    ServerParts s;
    s.max_num_seqs = 4;
    s.max_num_batched_tokens = 64;
    s.max_model_len = 64;
    s.usable_blocks = 16;
    s.cost.decode_step.assign(5, milliseconds(10));
    s.cost.mixed_step.assign(65, milliseconds(10));
    s.cost.attention = {{0, Tick{}, 0}};
    return s;
}

/// Adds workloads of every kind that no request goes to: bare pods, pods of a StatefulSet, of groups, of Jobs and
/// CronJobs, all with priorities, and a quota over some of them.
inline void add_other_workloads(BlueprintParts& parts, std::uint64_t seed) {
    std::mt19937_64 rng(seed * 79);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    const Tick span = parts.span;
    for (TemplateParts& t : parts.templates) t.plan.priority = static_cast<std::int32_t>(pick(-1, 1));
    for (ShapePlan& shape : parts.shapes)
        if (pick(0, 1)) shape.daemons = resource_amounts(0, pick(0, 300), pick(0, 30), 1);
    for (std::int64_t i = pick(1, 5); i > 0; --i) {
        const auto w = static_cast<std::uint32_t>(parts.workloads.size());
        WorkloadPlan plan;
        plan.controller = static_cast<WorkloadController>(pick(0, 3));
        plan.pod_slots = 24;
        plan.initial_replicas = static_cast<std::uint32_t>(pick(0, 2));
        TemplateParts t;
        t.plan.needs = resource_amounts(pick(0, 1), pick(0, 400), pick(1, 60), 1);
        t.plan.limits = resource_amounts(0, 500, 0, 0);
        t.plan.shapes.words[0] = static_cast<std::uint64_t>(pick(1, 3));
        t.plan.priority = static_cast<std::int32_t>(pick(-2, 2));
        t.plan.preempts = static_cast<std::uint8_t>(pick(0, 1));
        t.plan.grace = Tick{pick(0, span.count / 50 + 1)};
        t.plan.exit_takes = Tick{pick(0, span.count / 100 + 1)};
        t.stages = {{-1, 1, {}, Tick{pick(0, span.count / 40 + 1)}}, {-1, 0, {}, Tick{pick(0, span.count / 40 + 1)}}};
        t.plan.container_stage = 1;
        if (plan.controller == WorkloadController::bare_pod) plan.initial_replicas = 1;
        if (plan.controller == WorkloadController::ordinals) {
            plan.ordinals.management = static_cast<PodManagement>(pick(0, 1));
            plan.ordinals.group_size = static_cast<std::uint32_t>(pick(1, 3));
            plan.ordinals.partition = static_cast<std::int32_t>(pick(0, 1));
            plan.max_unavailable = integer(static_cast<std::int32_t>(pick(1, 2)));
        }
        if (plan.controller == WorkloadController::batch_job) {
            t.plan.run_time = Tick{pick(1, span.count / 5 + 1)};
            t.plan.failing_runs = static_cast<std::int32_t>(pick(0, 2));
            plan.job.parallelism = static_cast<std::int32_t>(pick(1, 3));
            plan.job.completions = static_cast<std::int32_t>(pick(1, 5));
            plan.job.backoff_limit = static_cast<std::int32_t>(pick(0, 3));
            if (pick(0, 2) == 0) plan.job.active_deadline = Tick{pick(1, span.count)};
            if (pick(0, 1)) {
                CronPlan cron;
                plan.cron = static_cast<std::int32_t>(parts.crons.size());
                cron.first_workload = w;
                cron.concurrency = static_cast<CronConcurrency>(pick(0, 2));
                cron.first_hit = static_cast<std::uint32_t>(parts.cron_hits.size());
                cron.hit_count = static_cast<std::uint32_t>(pick(1, 4));
                for (std::uint32_t h = 1; h <= cron.hit_count; ++h) parts.cron_hits.push_back(Tick{h * span.count / 5});
                parts.crons.push_back(cron);
            }
        } else if (plan.controller != WorkloadController::bare_pod) {
            for (std::int64_t n = pick(0, 2); n > 0; --n)
                parts.schedule.push_back({Tick{pick(0, span.count)}, w, static_cast<std::uint32_t>(pick(0, 4))});
        }
        parts.add(plan, t);
        if (plan.controller == WorkloadController::ordinals && plan.ordinals.group_size > 1 && pick(0, 1)) {
            const std::uint32_t worker = parts.add_revision(w, t);
            parts.templates[parts.workloads[w].first_template].plan.worker_template = static_cast<std::int32_t>(worker);
        }
    }
    std::stable_sort(parts.schedule.begin(), parts.schedule.end(),
                     [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
    for (std::int64_t q = pick(0, 2); q > 0; --q) {
        QuotaPlan quota;
        quota.limited = 1u << pick(0, 3);
        quota.over_limits = quota.limited == 1u << resource_cpu_milli && pick(0, 1) ? 1 : 0;
        quota.hard = resource_amounts(pick(0, 4), pick(0, 2000), pick(0, 200), pick(0, 6));
        quota.workloads[0] = static_cast<std::uint64_t>(pick(1, 127));
        parts.quotas.push_back(quota);
    }
    if (pick(0, 1)) {
        DisruptionBudgetPlan budget;
        budget.spec.max_unavailable = integer(static_cast<std::int32_t>(pick(0, 1)));
        budget.workloads[0] = static_cast<std::uint64_t>(pick(1, 127));
        parts.budgets.push_back(budget);
    }
}

/// What else a server may be: its scheduler's ways, engines side by side, a slow front end, whole batches.
inline void draw_server(std::uint64_t seed, const Experiment& e, ServerParts& s) {
    std::mt19937_64 rng(seed * 79);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    s.asynchronous = e.limits.asynchronous;
    s.by_priority = e.limits.by_priority;
    s.long_prefill_threshold = e.limits.long_prefill_threshold;
    s.draft_tokens = e.limits.draft_tokens;
    s.lookahead_tokens = e.limits.lookahead_tokens;
    s.acceptance_q32 = static_cast<std::uint32_t>(std::min(e.limits.acceptance * 4294967296.0, 4294967295.0));
    s.prefill_first = e.limits.prefill_first;
    s.pipeline_stages = e.limits.pipeline_stages;
    const Tick unit = e.cost.mixed_step[1];
    if (pick(0, 3) == 0) s.data_parallel = static_cast<std::int32_t>(pick(1, 3));
    if (pick(0, 3) == 0) {
        s.front_request = Tick{pick(0, 1) * unit.count};
        s.front_prompt_token = Tick{pick(0, unit.count / 8)};
        s.front_output_token = Tick{pick(0, unit.count / 8)};
    }
    if (pick(0, 5) != 0) return;
    s.kind = ReplicaKind::whole_batches;
    s.instances = static_cast<std::int32_t>(pick(1, 3));
    s.capacity_milli = static_cast<std::int32_t>(pick(100, 3000));
    s.queue_delay = Tick{pick(0, 10) * unit.count};
    s.delay_from_pick = pick(0, 1) == 0;
    s.preferred_sizes.assign(static_cast<std::size_t>(pick(0, 2)), static_cast<std::int32_t>(pick(1, s.max_num_seqs)));
    s.timed = pick(0, 1) == 0;
    s.batch_base = unit;
    s.batch_token = Tick{pick(0, unit.count / 8)};
}

/// Starts of every kind: stages beside each other, kept in every place, that move bytes over links which are shared.
inline void add_starts(BlueprintParts& parts, std::uint64_t seed, Tick unit) {
    std::mt19937_64 rng(seed * 83);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    constexpr std::int64_t mega = 1'000'000;
    for (std::int64_t n = pick(1, 3); n > 0; --n) parts.sources.push_back({pick(1, 100) * mega});
    for (ShapePlan& shape : parts.shapes) {
        shape.network_bytes_per_s = pick(1, 100) * mega;
        shape.disk_bytes_per_s = pick(1, 100) * mega;
    }
    parts.artefacts = 4;
    // Six compressed layers that images have in common; unpacked they are the same where those before them are.
    constexpr std::int32_t blobs = 6;
    parts.artefacts += blobs;
    std::map<std::string, std::int32_t> chains;
    const auto add_layers = [&](StagePlan& stage) {
        stage.downloads = static_cast<std::uint32_t>(pick(1, 4));
        stage.fixed = Tick{pick(1, 40) * unit.count};
        stage.bytes = 0;
        stage.source = pick(0, 2) == 0 ? no_link : 0;
        stage.first_layer = static_cast<std::uint32_t>(parts.layers.size());
        stage.layer_count = static_cast<std::uint32_t>(pick(1, 5));
        std::string chain;
        for (std::uint32_t l = 0; l < stage.layer_count; ++l) {
            const auto blob = static_cast<std::int32_t>(l == 0 ? 0 : pick(0, blobs - 1));
            chain += static_cast<char>('a' + blob);
            const auto known = chains.emplace(chain, static_cast<std::int32_t>(parts.artefacts));
            parts.artefacts += known.second ? 1 : 0;
            parts.layers.push_back({(blob + 1) * mega, (blob + 2) * mega, Tick{pick(1, 10) * unit.count}, Tick{pick(1, 10) * unit.count},
                                    4 + blob, known.first->second});
        }
    };
    for (ShapePlan& shape : parts.shapes) shape.parallel_pulls = static_cast<std::uint32_t>(pick(1, 3));
    for (TemplateParts& t : parts.templates) {
        if (pick(0, 3) == 0) continue;
        t.stages.clear();
        const std::int64_t count = pick(1, 6);
        for (std::uint32_t i = 0; i < count; ++i) {
            StagePlan stage;
            stage.fixed = Tick{pick(0, 40) * unit.count};
            stage.once_per_node = pick(0, 3) == 0;
            if (pick(0, 1)) stage.after = static_cast<std::uint32_t>(rng()) & ((1u << i) - 1);
            stage.kept = static_cast<Kept>(pick(0, 3));
            stage.one_at_a_time = static_cast<std::uint8_t>(pick(0, 1));
            stage.artefact = static_cast<std::int32_t>(pick(-1, 3));
            stage.again = Tick{pick(0, 1) * pick(0, 10) * unit.count};
            if (pick(0, 1)) {
                stage.bytes = std::max<std::int64_t>(1, static_cast<std::int64_t>(to_seconds(stage.fixed) * static_cast<double>(pick(1, 100) * mega)));
                stage.source = pick(0, 2) == 0 ? no_link : static_cast<std::uint32_t>(pick(0, static_cast<std::int64_t>(parts.sources.size()) - 1));
                stage.over_network = static_cast<std::uint8_t>(pick(0, 1));
                stage.over_disk = static_cast<std::uint8_t>(pick(0, 1));
            }
            const bool layered = std::any_of(t.stages.begin(), t.stages.end(), [](const StagePlan& s) { return s.layer_count > 0; });
            if (stage.once_per_node && !layered && pick(0, 1)) add_layers(stage);
            t.stages.push_back(stage);
        }
        t.plan.container_stage = static_cast<std::uint32_t>(pick(0, count));
    }
    for (std::uint32_t pool = 0; pool < parts.pools.size(); ++pool) {
        if (pick(0, 1)) continue;
        PrefetchPlan plan;
        plan.pool = pool;
        plan.stage.artefact = static_cast<std::int32_t>(pick(0, 3));
        plan.stage.bytes = pick(1, 100);
        plan.stage.fixed = Tick{pick(1, 40) * unit.count};
        plan.stage.source = 0;
        plan.stage.over_network = 1;
        parts.prefetches.push_back(plan);
    }
}

/// A random cluster of one or two workloads under random requests, from one seed.
inline BlueprintParts random_cluster(std::uint64_t seed, std::vector<Request>& requests) {
    const Experiment e = random_experiment(seed);
    std::mt19937_64 rng(seed * 77), rng_life(seed * 78), rng_pairs(seed * 79);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    ServerParts s;
    s.max_num_seqs = e.limits.max_num_seqs;
    s.max_num_batched_tokens = e.limits.max_num_batched_tokens;
    s.block_size = e.limits.block_size;
    s.max_model_len = e.limits.max_model_len;
    s.usable_blocks = e.limits.usable_blocks;
    s.full_groups = e.limits.full_groups;
    s.window_groups = e.limits.window_groups;
    s.window_tokens = e.limits.window_tokens;
    s.watermark_blocks = e.limits.watermark_blocks;
    s.chunked_prefill = e.limits.chunked_prefill;
    s.reserve_full_sequence = e.limits.reserve_full_sequence;
    s.cost = e.cost;
    draw_server(seed, e, s);
    BlueprintParts parts;
    parts.servers = {s};
    parts.workload_of_model = {0, 1};
    parts.job_capacity = 8;  // small: trials outgrow it and are run again
    for (int i = 0; i < 2; ++i) {
        WorkloadPlan w;
        w.pod_slots = static_cast<std::uint32_t>(pick(1, 4));
        w.initial_replicas = static_cast<std::uint32_t>(pick(1, w.pod_slots));
        w.routing = static_cast<Routing>(pick(0, 2));
        TemplateParts t;
        t.plan.server = 0;
        const std::int64_t gpus = pick(1, 2), cpu = pick(100, 900), memory = pick(1, 100);
        t.plan.needs = resource_amounts(gpus, cpu, memory, 1);
        t.plan.shapes.words[0] = static_cast<std::uint64_t>(pick(1, 3));
        w.hold = static_cast<std::uint8_t>(pick(0, 1));
        if (w.routing == Routing::least_requests && pick(0, 1))
            w.per_replica_limit = static_cast<std::uint32_t>(pick(1, 5));
        if (pick(0, 2) == 0) w.request_timeout = Tick{pick(1, 100) * e.cost.mixed_step[1].count};
        t.stages = {{-1, 0, {}, Tick{pick(1, 50) * e.cost.mixed_step[1].count}}, {-1, 1, {}, Tick{pick(1, 50)}}};
        // Half of them with probes of every kind, some of which kill for ever, and with ends of every kind.
        if (rng_life() % 2) {
            const auto draw = [&](std::int64_t most) {
                return static_cast<std::int64_t>(rng_life() % static_cast<std::uint64_t>(most + 1));
            };
            const auto rule = [&] {
                ProbeRule r;
                r.initial_delay = Tick{draw(40) * e.cost.mixed_step[1].count};
                r.period = Tick{(1 + draw(20)) * e.cost.mixed_step[1].count};
                r.timeout = Tick{(1 + draw(10)) * e.cost.mixed_step[1].count};
                r.failure_threshold = static_cast<std::int32_t>(1 + draw(3));
                return r;
            };
            ContainerProbeRules& rules = t.plan.probes.rules;
            rules.startup = rule();
            rules.readiness = rule();
            rules.liveness = rule();
            rules.has_startup = draw(2) == 0;
            rules.has_readiness = draw(2) != 0;
            rules.has_liveness = draw(2) == 0;
            for (std::uint8_t& early : t.plan.probes.early) early = draw(2) == 0;
            t.plan.probes.takes = Tick{1 + draw(2) * e.cost.mixed_step[1].count};
            t.plan.ready_when_serving = static_cast<std::uint8_t>(draw(1));
            t.plan.drains = static_cast<std::uint8_t>(draw(1));
            t.plan.grace = Tick{draw(60) * e.cost.mixed_step[1].count};
            t.plan.pre_stop = Tick{draw(60) * e.cost.mixed_step[1].count};
            t.plan.pre_stop_drains = static_cast<std::uint8_t>(draw(1));
            t.plan.exit_takes = Tick{draw(3) * e.cost.mixed_step[1].count};
            t.plan.endpoint_delay = Tick{draw(5) * e.cost.mixed_step[1].count};
            const std::uint32_t most = w.pod_slots;
            w.pod_slots *= 4;  // pods that end slowly keep their slots
            for (std::int64_t n = draw(3); n > 0; --n)
                parts.schedule.push_back({Tick{draw(400) * e.cost.mixed_step[1].count},
                                          static_cast<std::uint32_t>(i),
                                          static_cast<std::uint32_t>(draw(most))});
        }
        parts.add(w, t);
        PoolPlan p;
        p.node_slots = static_cast<std::uint32_t>(pick(1, 6));
        p.initial = p.minimum = static_cast<std::uint32_t>(pick(0, p.node_slots));
        ShapePlan nodes;
        nodes.gpus = pick(1, 4);
        nodes.capacity = nodes.allocatable = resource_amounts(nodes.gpus, 2000, 300, 110);
        nodes.provisioning = Tick{pick(1, 100) * e.cost.mixed_step[1].count};
        nodes.nano_usd_per_hour = pick(0, 3);
        parts.add(p, nodes);
    }
    // Some have the first workload's prompts computed by the second.
    const bool windows = s.window_groups > 0;
    if (rng_pairs() % 3 == 0 && !s.prefill_first && !windows && s.pipeline_stages == 1 &&
        s.kind == ReplicaKind::continuous) {
        const auto draw = [&](std::int64_t most) { return static_cast<std::int64_t>(rng_pairs() % static_cast<std::uint64_t>(most + 1)); };
        parts.servers = {s, s};
        parts.servers[0].receives = parts.servers[1].hands_over = true;
        parts.servers[1].long_prefill_threshold = 0;
        parts.servers[0].kv_block_bytes = draw(1000);
        parts.templates[1].plan.server = 1;
        parts.workload_of_model = {0, 0};
        PrefillPlan& plan = parts.workloads[0].prefill;
        plan.workload = 1;
        plan.threshold = draw(1) ? 0 : static_cast<std::uint32_t>(draw(60));
        plan.latency = Tick{draw(20) * e.cost.mixed_step[1].count};
        plan.hold = Tick{1 + draw(300) * e.cost.mixed_step[1].count};
        plan.link_bytes_per_s = 1 + draw(1) * 1'000'000'000'000 / (1 + 40 * e.cost.mixed_step[1].count);
        plan.fails = static_cast<std::uint8_t>(draw(1));
    }
    std::sort(parts.schedule.begin(), parts.schedule.end(),
              [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
    parts.cluster_autoscaler.loop.scan_interval = Tick{20 * e.cost.mixed_step[1].count};
    parts.cold = pick(0, 3) == 0;
    requests.clear();
    for (const Arrival& a : e.arrivals) {
        Request r;
        r.arrival = Tick{a.at};
        r.prompt_tokens = a.prompt;
        r.output_tokens = a.output;
        if (pick(0, 9) == 0) r.max_tokens = static_cast<std::uint32_t>(pick(1, 300));
        r.model = static_cast<std::uint16_t>(pick(0, 1));
        requests.push_back(r);
    }
    parts.span = requests.back().arrival + Tick{pick(0, 100)};
    parts.goodput.minutes = 1;
    parts.drain_limit = Tick{pick(0, 1) * 1000 * e.cost.mixed_step[1].count};
    return parts;
}

/// Every GPU of a random cluster is given to `clients` pods, which take turns. Call it when `parts` has its servers.
inline void share_gpus(BlueprintParts& parts, std::uint8_t clients) {
    const std::size_t servers = parts.servers.size(), all = servers * clients;
    parts.most_turns = clients;
    for (ShapePlan& shape : parts.shapes) {
        shape.capacity[resource_gpus] *= clients;
        shape.allocatable[resource_gpus] *= clients;
        shape.devices[0] = {0, static_cast<std::uint8_t>(shape.gpus), clients, 1, 1, clients};
    }
    for (std::int64_t n = 2; n <= clients; ++n)
        for (std::size_t s = 0; s < all; ++s) {
            parts.turn_servers.push_back(s < servers ? static_cast<std::int32_t>(parts.servers.size()) : -1);
            if (s >= servers) continue;
            ServerParts slow = parts.servers[s];
            for (auto* table : {&slow.cost.decode_step, &slow.cost.mixed_step})
                for (Tick& t : *table) t = n * t;
            for (ContextSegment& c : slow.cost.attention) {
                c.at_from = n * c.at_from;
                c.ticks_per_token *= n;
            }
            slow.cost.per_sampled_row = n * slow.cost.per_sampled_row;
            slow.cost.prefill_ticks_per_pair_q16 *= n;
            parts.servers.push_back(slow);
        }
}

/// The parts in which two outcomes of one trial differ; none may.
inline std::string differences(const TrialOutcome& a, const TrialOutcome& b) {
    const Tally &x = a.tally, &y = b.tally;
    std::string out;
    const auto compare = [&](const char* name, const auto& l, const auto& r) {
        if (!(l == r)) out += std::string(" ") + name;
    };
    compare("status", x.status, y.status);
    compare("requests", x.requests, y.requests);
    compare("prompt_tokens", x.prompt_tokens, y.prompt_tokens);
    compare("output_tokens", x.output_tokens, y.output_tokens);
    compare("good", x.good, y.good);
    compare("retried", x.retried, y.retried);
    compare("redelivered", x.redelivered, y.redelivered);
    compare("dead_lettered", x.dead_lettered, y.dead_lettered);
    compare("error_answers", x.error_answers, y.error_answers);
    compare("wrong_answers", x.wrong_answers, y.wrong_answers);
    compare("lost_attempts", x.lost_attempts, y.lost_attempts);
    compare("kv_transfers", x.kv_transfers, y.kv_transfers);
    compare("kv_failures", x.kv_failures, y.kv_failures);
    compare("kv_bytes", x.kv_bytes, y.kv_bytes);
    compare("kv_transfer_time", x.kv_transfer_time, y.kv_transfer_time);
    compare("kv_wait_time", x.kv_wait_time, y.kv_wait_time);
    compare("lost_prompt_tokens", x.lost_prompt_tokens, y.lost_prompt_tokens);
    compare("lost_output_tokens", x.lost_output_tokens, y.lost_output_tokens);
    compare("lost_time", x.lost_time, y.lost_time);
    compare("duplicate_prompt_tokens", x.duplicate_prompt_tokens, y.duplicate_prompt_tokens);
    compare("duplicate_output_tokens", x.duplicate_output_tokens, y.duplicate_output_tokens);
    compare("duplicate_time", x.duplicate_time, y.duplicate_time);
    compare("longest_hold", x.longest_hold, y.longest_hold);
    compare("kv_preemptions", x.kv_preemptions, y.kv_preemptions);
    compare("prefix_queries", x.prefix_queries, y.prefix_queries);
    compare("prefix_hits", x.prefix_hits, y.prefix_hits);
    compare("cold_starts", x.cold_starts, y.cold_starts);
    compare("container_restarts", x.container_restarts, y.container_restarts);
    compare("gpu_busy", x.gpu_busy, y.gpu_busy);
    compare("ready_replicas", x.ready_replicas, y.ready_replicas);
    compare("nodes", x.nodes, y.nodes);
    compare("gpus", x.gpus, y.gpus);
    compare("ended_at", x.ended_at, y.ended_at);
    for (std::uint32_t p = 0; p < max_pools; ++p) compare("pools", x.pools[p], y.pools[p]);
    compare("degraded_minutes", x.degraded_minutes, y.degraded_minutes);
    compare("node_use", a.node_use, b.node_use);
    compare("ttft", a.ttft, b.ttft);
    compare("tpot", a.tpot, b.tpot);
    compare("itl", a.itl, b.itl);
    compare("e2el", a.e2el, b.e2el);
    return out;
}

}  // namespace windtunnel::lab
