#include "scenarios/compile/compile.hpp"

#include "models/bytes.hpp"
#include "scenarios/compile/compile_autoscalers.hpp"
#include "scenarios/compile/compile_cluster_autoscaler.hpp"
#include "scenarios/compile/compile_costs.hpp"
#include "scenarios/compile/compile_events.hpp"
#include "scenarios/compile/compile_pod_life.hpp"
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/compile/compile_prefill.hpp"
#include "scenarios/compile/compile_quotas.hpp"
#include "scenarios/compile/compile_scheduling.hpp"
#include "scenarios/compile/compile_server.hpp"
#include "scenarios/compile/compile_start.hpp"
#include "scenarios/compile/feasibility.hpp"
#include "scenarios/compile/node_places.hpp"
#include "scenarios/compile/unscaled_targets.hpp"
#include "scenarios/compile/unsimulated.hpp"
#include "scenarios/compile/workload_kinds.hpp"

#include <fmt/format.h>
#include <xxhash.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace windtunnel {
namespace {

/// Monday, 2024-01-01T00:00:00Z: t = 0 where neither the scenario nor the trace says when it is.
constexpr std::int64_t default_start_unix_s = 1'704'067'200;

/// Of one workload: pods are numbered in 16 bits, and each may have a successor beside it.
constexpr std::int32_t most_replicas = 10'000;

/// A vLLM pod's CPU use: its API server and engine idle, and an engine core that spins while it steps.
constexpr CpuUsePlan vllm_cpu{50, 1000};  // [estimate: one core for the engine's loop, 2025]

/// What the pods' label of that name says, or the object's own; "" = neither has it.
std::string label_of(const WorkloadObject& object, const std::string& name) {
    for (const Labels* labels : {&object.pod.labels, &object.meta.labels})
        if (const auto found = labels->find(name); found != labels->end()) return found->second;
    return "";
}

/// One workload on its way into the blueprint.
class WorkloadDraft {
public:
    WorkloadDraft(const Scenario& scenario, const WorkloadSpec& spec, const WorkloadObject& object,
                  CompiledScenario& out, StartCompiler& starts, Problems& errors, const OtherWorkload* other = nullptr)
        : m_scenario(scenario), m_spec(spec), m_object(object), m_out(out), m_starts(starts), m_errors(errors), m_other(other) {}

    void compile(const std::vector<PoolDraft>& pools) {
        m_facts.name = m_spec.name;
        m_facts.target = m_object.meta.title();
        m_facts.name_space = m_object.meta.name_space;
        m_facts.tenant = label_of(m_object, m_scenario.cluster.costs.tenant_label);
        m_facts.where = m_object.meta.where;
        if (m_object.server_container < m_object.pod.containers.size())
            m_facts.container = m_object.pod.containers[m_object.server_container].name;
        refuse_unsimulated();
        requests();
        server(pools);
        // vLLM takes its share of the GPU's memory at once and keeps it.
        const KvCapacity& kv = m_facts.capacity;
        m_plan.cpu.gpu_memory_mib = std::llround(kv.total_gib * 1024);
        m_plan.cpu.gpu_memory_used_mib = std::llround(kv.total_gib * kv.gpu_memory_utilization * 1024);
        replicas();
        stages();
        strategy();
        compile_kind(m_object, m_most, m_plan);
        if (m_other != nullptr) compile_kind(*m_other, m_plan, m_pod.plan);
        m_out.parts.add(m_plan, m_pod);
        workers();
        revisions();
        m_out.workloads.push_back(std::move(m_facts));
    }

private:
    void refuse(const SourcePosition& where, const std::string& path, std::string message) {
        m_errors.push_back({where, path, std::move(message)});
    }
    void refuse_object(const std::string& path, std::string message) {
        refuse(m_scenario.manifests.where(m_object.meta, path), m_object.meta.title() + ":" + path,
               std::move(message));
    }
    void warn_object(const std::string& path, std::string message) {
        m_out.warnings.push_back({m_scenario.manifests.where(m_object.meta, path),
                                  m_object.meta.title() + ":" + path, std::move(message)});
    }

    void refuse_unsimulated() {
        windtunnel::refuse_unsimulated(m_scenario, m_object, m_errors, m_out.warnings);
    }

    /// Routing, queue, time-outs and the end of a pod.
    void requests() {
        switch (m_spec.routing) {
            case RoutingSpec::random:
                m_plan.routing = Routing::random;
                break;
            case RoutingSpec::least_requests:
                m_plan.routing = Routing::least_requests;
                break;
            case RoutingSpec::round_robin:
                m_plan.routing = Routing::round_robin;
                break;
            case RoutingSpec::queue:
                m_plan.routing = Routing::least_requests;
                m_plan.per_replica_limit = static_cast<std::uint32_t>(m_spec.queue.per_replica_concurrency);
                break;
        }
        const bool queue = m_spec.routing == RoutingSpec::queue;
        m_plan.hold = queue || m_spec.on_no_endpoints == OnNoEndpoints::hold || gateway_holds(m_scenario, m_object) ? 1 : 0;
        const std::optional<std::int64_t> limit = queue ? m_spec.queue.hold : m_spec.hold_limit;
        m_plan.hold_limit =
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(limit.value_or(0), 0, 0x7fffffff));
        if (m_spec.timeout) m_plan.request_timeout = *m_spec.timeout;
        const RetrySpec& retry = m_spec.retry;
        m_plan.retry.attempts = static_cast<std::uint32_t>(retry.attempts);
        m_plan.retry.jitter_milli = static_cast<std::uint32_t>(std::lround(retry.jitter * 1000));
        m_plan.retry.backoff = retry.backoff;
        m_plan.retry.max_backoff = retry.max_backoff;
        m_plan.retry.attempt_timeout = retry.attempt_timeout.value_or(never);
        m_plan.connections = static_cast<std::uint32_t>(m_spec.connections);
        if (queue) {
            m_plan.visibility_timeout = m_spec.queue.visibility_timeout.value_or(never);
            m_plan.hand_outs = static_cast<std::uint32_t>(m_spec.queue.attempts);
            m_plan.returns = m_spec.queue.returns.value_or(!m_spec.queue.visibility_timeout) ? 1 : 0;
        }
        compile_pod_life(m_object, m_spec.endpoint_delay, m_pod.plan);
        m_plan.cpu = vllm_cpu;
    }

    /// How a new revision replaces the old one.
    void strategy() {
        const auto count = [](const IntOrPercent& n) {
            return n.percent ? percent(static_cast<std::int32_t>(n.value))
                             : integer(static_cast<std::int32_t>(n.value));
        };
        if (m_object.recreate) m_plan.strategy = RolloutStrategy::recreate;
        m_plan.max_surge = count(m_object.max_surge);
        m_plan.max_unavailable = count(m_object.max_unavailable);
        if (m_object.kind == WorkloadKind::stateful_set) {  // one pod after the other, none beside it
            m_plan.max_surge = integer(0);
            m_plan.max_unavailable = integer(1);
        }
        m_plan.min_ready = m_object.min_ready;
        m_plan.progress_deadline = m_object.progress_deadline;
        const std::int32_t most = static_cast<std::int32_t>(m_plan.pod_slots) / 2;
        m_plan.pod_slots += static_cast<std::uint32_t>(m_plan.max_surge.resolve(most, true));
    }

    /// A revision for each rollout among the scenario's events: the same template, with the server and the cold
    /// start that the event declares.
    void revisions() {
        const auto w = static_cast<std::uint32_t>(m_out.parts.workloads.size() - 1);
        TemplateParts latest = m_pod;
        for (const ScenarioEvent& e : m_scenario.events) {
            if (e.kind != EventKind::rollout || e.target != m_object.meta.title()) continue;
            if (e.server && m_fits) {
                CompiledWorkload facts = m_facts;
                if (!serve(*e.server, latest, facts)) continue;
            }
            latest.plan.pull = static_cast<std::uint8_t>((latest.plan.pull & pull_always) | (e.pullable ? 0 : pull_fails));
            const std::uint32_t revision = m_out.parts.add_revision(w, latest);
            m_out.parts.events.push_back({e.at, ClusterEventKind::rollout, {}, w, 1, revision});
        }
    }

    /// Which pools its pods fit on, which GPU these have, and the server on that GPU.
    void server(const std::vector<PoolDraft>& pools) {
        const ModelServer* declared = m_scenario.server_of(m_spec);
        if (m_other != nullptr) return idle(pools, declared);
        if (declared == nullptr)
            return refuse(m_object.meta.where, m_object.meta.title(),
                          "found no model server in its containers, allowed: a vLLM command line, "
                          "windtunnel.dev/ annotations, or workload.server in the scenario");
        const PodTemplate& pod = m_object.pod;
        m_out.extended.ask(pod, m_pod.plan);
        const ResourceAmounts& needs = m_pod.plan.needs;
        const std::string resource = pod.gpu_resource();
        const bool engine = !declared->batching || !declared->batching->timed();  // whatever is timed may run on CPUs
        const std::int64_t wanted = engine ? std::int64_t{declared->tensor_parallel} * declared->pipeline_parallel * declared->data_parallel : 0;
        if (pod.gpus() * m_object.group_size < wanted)
            return refuse_object(
                "spec.template.spec.containers",
                fmt::format("found {} GPUs in its resources, allowed: at least {} (tensor-parallel-size {} x "
                            "pipeline-parallel-size {} x data-parallel-size {}): resources.limits.{}",
                            pod.gpus(), wanted, declared->tensor_parallel,
                            declared->pipeline_parallel, declared->data_parallel, resource.empty() ? "nvidia.com/gpu" : resource));
        // A pool that is not understood has been reported; whether the pods would fit on it is not known.
        if (std::any_of(pools.begin(), pools.end(), [](const PoolDraft& p) { return p.refused; })) return;
        const NodePlaces places = places_of(pod, m_out.extended, pools, m_scenario.cluster);
        m_pod.plan.shapes = places.admitted;  // what is too small is short of resources, in the scheduler's words
        m_pod.plan.do_not_disrupt = pod.do_not_disrupt ? 1 : 0;
        if (places.shapes.empty())
            return refuse(m_object.meta.where, m_object.meta.title(),
                          fmt::format("its pods ({} {}, CPU {} m, memory {:.1f} GiB) fit on no node of any "
                                      "pool{}, allowed: a pool whose nodes take them",
                                      resource.empty() || resource == "nvidia.com/gpu" ? "GPUs" : resource, pod.gpus(), needs[resource_cpu_milli],
                                      static_cast<double>(needs[resource_memory_bytes]) / gib, places.why));
        meet_gpus(places, pools);
        if (!declared->gpu.empty()) {
            const auto resolved = get_gpu(declared->gpu);
            const auto is_it = [&](const PlacedGpu& g) { return resolved && g.device == resolved->gpu.name; };
            std::vector<std::string> names;
            for (const PlacedGpu& g : m_gpus) names.push_back(g.device);
            if (!std::all_of(m_gpus.begin(), m_gpus.end(), is_it))
                return refuse(declared->where, declared->path,
                              fmt::format("declares the GPU {}, but its pods run on nodes with {}, allowed: "
                                          "leave the GPU out, it follows from the node",
                                          declared->gpu, join(names)));
        }
        m_fits = serve(*declared, m_pod, m_facts);
    }

    /// Pods that no request goes to: they go wherever they may, and wait where they fit nowhere. A model server
    /// among them runs, idle, if it can be told.
    void idle(const std::vector<PoolDraft>& pools, const ModelServer* declared) {
        const PodTemplate& pod = m_object.pod;
        m_out.extended.ask(pod, m_pod.plan);
        const NodePlaces places = places_of(pod, m_out.extended, pools, m_scenario.cluster);
        m_pod.plan.shapes = places.admitted;
        m_pod.plan.do_not_disrupt = pod.do_not_disrupt ? 1 : 0;
        if (places.shapes.empty() && m_object.replicas > 0)
            m_out.warnings.push_back(
                {m_object.meta.where, m_object.meta.title(),
                 fmt::format("its pods fit on no node of any pool and stay Pending{}", places.why)});
        if (declared == nullptr || places.shapes.empty() || pod.gpus() == 0) return;
        meet_gpus(places, pools);
        const auto before = static_cast<std::ptrdiff_t>(m_errors.size());
        m_fits = serve(*declared, m_pod, m_facts);
        for (auto p = m_errors.begin() + before; p != m_errors.end(); ++p)
            m_out.warnings.push_back({p->where, p->path, "no requests go to it, so it is taken as pods that serve nothing: " + p->message});
        m_errors.erase(m_errors.begin() + before, m_errors.end());
    }

    /// The workers of a group, where they are several pods: as the leader, without its server.
    void workers() {
        if (m_plan.ordinals.group_size == 1) return;
        TemplateParts worker = m_pod;
        const WorkloadObject* own =
            m_scenario.manifests.find_workload(m_object.meta.kind, m_object.meta.name, m_object.meta.name_space);
        if (own != nullptr) m_out.extended.ask(own->pod, worker.plan);
        worker.plan.server = -1;
        worker.kind_servers.clear();
        const auto w = static_cast<std::uint32_t>(m_out.parts.workloads.size() - 1);
        const std::uint32_t made = m_out.parts.add_revision(w, worker);
        TemplatePlan& leader = m_out.parts.templates[m_out.parts.workloads[w].first_template].plan;
        leader.worker_template = m_pod.plan.worker_template = static_cast<std::int32_t>(made);
        leader.busy_pods = m_pod.plan.busy_pods = m_plan.ordinals.group_size;
    }

    void meet_gpus(const NodePlaces& places, const std::vector<PoolDraft>& pools) {
        m_gpus = places.gpus;
        m_gpu_kinds = gpu_kinds_of(pools);
    }
    /// Pods that take turns on a GPU find its memory as the others leave it.
    void warn_of_turns(const ModelServer& declared, const PlacedGpu& gpu, std::int32_t memory_milli) {
        if (memory_milli * gpu.clients <= 1000) return;
        m_out.warnings.push_back(
            {declared.where, declared.path,
             fmt::format("each {} is given to {} pods, which share its memory; at --gpu-memory-utilization {:g} it holds {}: a further "
                         "one ends when it starts, over and over",
                         gpu.device, gpu.clients, memory_milli / 1000.0, std::max(1, 1000 / std::max(memory_milli, 1)))});
    }

    /// The servers of a template, one for each kind of GPU that its pods may meet. A model that runs on none of
    /// them is an error, one that runs on some a warning: pods on the others never serve.
    bool serve(const ModelServer& given, TemplateParts& pod, CompiledWorkload& facts) {
        ModelServer declared = given;
        declared.kv_role = m_spec.side == PairSide::prefill ? KvRole::producer : m_spec.side == PairSide::decode ? KvRole::consumer : KvRole::none;
        if (!declared.cpu_limit_milli && m_object.server_container < m_object.pod.containers.size())
            declared.cpu_limit_milli = m_object.pod.containers[m_object.server_container].resources.cpu_limit_milli;
        std::vector<std::int32_t> servers(m_gpu_kinds, no_fit_server);
        Problems problems;
        std::vector<std::string> runs, fails;
        for (const PlacedGpu& gpu : m_gpus) {
            CompiledWorkload here = facts;
            Result<ServerParts> made = compile_server(declared, gpu.device, m_scenario.cluster.profiles, m_out.parts.shared_prefixes, here, m_out.warnings);
            const std::int64_t split = std::int64_t{declared.tensor_parallel} * declared.pipeline_parallel;
            if (made && split > 1)
                if (std::string why = why_unconnected(gpu, split / m_object.group_size); !why.empty()) made = Problem{declared.where, declared.path, std::move(why)};
            if (!made) {
                problems.insert(problems.end(), made.problems().begin(), made.problems().end());
                fails.push_back(gpu.device.empty() ? "no GPU" : gpu.device);
                continue;
            }
            const auto memory_milli = static_cast<std::int32_t>(std::lround(here.capacity.gpu_memory_utilization * 1000));
            if (gpu.takes_turns) warn_of_turns(declared, gpu, memory_milli);
            servers[gpu.kind] = static_cast<std::int32_t>(m_out.parts.servers.size());
            if (runs.empty()) {
                facts = here;
                compile_inference_probes(*made, pod.plan);
                pod.plan.device_memory_milli = memory_milli;
                pod.plan.server = servers[gpu.kind];
            }
            runs.push_back(here.gpu);
            m_out.parts.servers.push_back(std::move(*made));
        }
        if (runs.empty()) {
            m_errors.insert(m_errors.end(), problems.begin(), problems.end());
            return false;
        }
        for (const Problem& p : problems)
            m_out.warnings.push_back({p.where, p.path,
                                      fmt::format("{}'s pods may come to nodes with {}, where they never serve: {}",
                                                  m_object.meta.title(), join(fails), p.message)});
        facts.gpu = join(runs);
        pod.kind_servers.clear();
        if (m_gpus.size() > 1) pod.kind_servers = std::move(servers);
        return true;
    }

    /// How many replicas at the start and at most.
    void replicas() {
        const ScalerOf scaler = scaler_of(m_scenario, m_object);
        std::int32_t least = m_object.replicas, most = m_object.replicas, initial = m_object.replicas;
        if (scaler.scaled_object != nullptr) {
            const ScaledObject& s = *scaler.scaled_object;
            m_facts.autoscaler = s.meta.title();
            least = initial = s.min_replicas;
            most = s.max_replicas;
            if (s.paused_replicas)
                least = most = initial = *s.paused_replicas;
            else if (s.paused)
                initial = m_object.replicas;
        } else if (scaler.hpa != nullptr) {
            m_facts.autoscaler = scaler.hpa->meta.title();
            least = initial = scaler.hpa->min_replicas;
            most = scaler.hpa->max_replicas;
        }
        if (scaler.scaled_job != nullptr) {
            m_facts.autoscaler = scaler.scaled_job->meta.title();
            least = initial = scaler.scaled_job->min_replicas;
            most = scaler.scaled_job->max_replicas;
        }
        // A manifest that says a count starts with it, within the autoscaler's bounds (of 0 an HPA leaves it at 0,
        // kubernetes.md 1.3.3); one that does not, with the minimum.
        const bool scaled = scaler.scaled_object != nullptr || scaler.hpa != nullptr;
        if (scaled && m_object.replicas_given &&
            !(scaler.scaled_object && scaler.scaled_object->paused_replicas))
            initial = scaler.scaled_object == nullptr && m_object.replicas == 0 ? 0 : std::clamp(m_object.replicas, least, most);
        if (m_spec.initial_replicas) initial = *m_spec.initial_replicas;
        for (const ScalingCronJob& job : m_scenario.manifests.scaling_cron_jobs)
            if (job.target.name == m_object.meta.name || (scaler.hpa && job.target.name == scaler.hpa->meta.name) ||
                (scaler.scaled_object && job.target.name == scaler.scaled_object->meta.name))
                most = std::max({most, job.replicas, job.max_replicas.value_or(0)});
        for (const JobObject& job : m_scenario.manifests.jobs)
            for (const ScaleAction& action : job.actions)
                if (action.target.name == m_object.meta.name) most = std::max(most, action.replicas.value_or(0));
        for (const ScenarioEvent& e : m_scenario.events)
            if (e.kind == EventKind::scale && e.target == m_object.meta.title())
                most = std::max(most, e.count);
        if (std::max(most, initial) > most_replicas) {
            const ObjectMeta& meta = scaler.scaled_object ? scaler.scaled_object->meta : scaler.hpa ? scaler.hpa->meta : m_object.meta;
            refuse(meta.where, meta.title(),
                   fmt::format("found up to {} replicas, allowed: at most {}", std::max(most, initial),
                               most_replicas));
            least = most = initial = 1;
        }
        m_most = std::max({most, initial, 1});
        m_facts.minimum_replicas = least;
        m_facts.maximum_replicas = most;
        m_plan.initial_replicas = static_cast<std::uint32_t>(std::max(initial, 0));
        if (!m_spec.initial_replicas) m_plan.late_replicas = late_replicas(m_plan.initial_replicas);
        // Terminating pods keep their slots while their successors are there.
        m_plan.pod_slots = static_cast<std::uint32_t>(2 * std::max({most, initial, 1}) + 4);
    }

    /// In a dump, the replicas that exist and are not Ready: their start begins anew at t = 0.
    [[nodiscard]] std::uint32_t late_replicas(std::uint32_t initial) const {
        std::int64_t ready = m_object.status ? m_object.status->ready : initial;
        const auto pods = m_scenario.manifests.live.pods_of(m_object.meta);
        if (!pods.empty())
            ready = std::count_if(pods.begin(), pods.end(), [](const LivePod* p) { return p->ready && !p->terminating; });
        return initial - static_cast<std::uint32_t>(std::clamp<std::int64_t>(ready, 0, initial));
    }

    /// The stages of a pod's start on a node that is there.
    void stages() {
        Result<StartGraph> graph =
            start_graph_of(m_scenario, m_spec, m_object, m_fits ? m_scenario.server_of(m_spec) : nullptr,
                           m_fits ? &m_facts.capacity : nullptr);
        if (!graph) {
            m_errors.insert(m_errors.end(), graph.problems().begin(), graph.problems().end());
            return;
        }
        m_starts.add(*graph, m_object.meta.title(), m_pod);
        m_facts.start = std::move(*graph);
    }

    const Scenario& m_scenario;
    const WorkloadSpec& m_spec;
    const WorkloadObject& m_object;
    CompiledScenario& m_out;
    StartCompiler& m_starts;
    Problems& m_errors;
    WorkloadPlan m_plan;
    TemplateParts m_pod;
    CompiledWorkload m_facts;
    const OtherWorkload* m_other = nullptr;  ///< no requests go to it
    std::int32_t m_most = 1;                 ///< replicas at any time, but for successors
    std::vector<PlacedGpu> m_gpus;  ///< that its pods may meet
    std::size_t m_gpu_kinds = 0;    ///< of the scenario, by ShapePlan::gpu_kind
    bool m_fits = false;
};

/// Of what was decoded (after --set), of what the flags changed, of the integers that floating point made
/// (draw tables, step costs), and of the requests: two runs with one hash and seed are the same run.
class Hash {
public:
    template <class T>
    void add(const std::vector<T>& values) {
        static_assert(std::has_unique_object_representations_v<T>);  // no padding: its bytes are its meaning
        m_state = XXH3_64bits_withSeed(values.data(), values.size() * sizeof(T), m_state);
    }
    void add(const std::string& text) { m_state = XXH3_64bits_withSeed(text.data(), text.size(), m_state); }
    [[nodiscard]] std::uint64_t value() const { return m_state; }

private:
    std::uint64_t m_state = 0;
};

std::uint64_t hash_of(const Scenario& scenario, const BlueprintParts& parts, const WorkloadSource& source) {
    Hash hash;
    hash.add(canonical_json(scenario).dump());
    hash.add(std::vector<std::int64_t>{parts.span.count, parts.drain_limit.count, parts.epoch_ms,
                                       parts.cold ? 1 : 0});
    hash.add(parts.tables);
    if (!parts.spot_markets.empty()) {
        hash.add(parts.spot_markets);
        hash.add(parts.spot_capacities);
        hash.add(parts.spot_prices);
        hash.add(parts.spot_lives);
    }
    for (const ServerParts& s : parts.servers) {
        hash.add(s.cost.decode_step);
        hash.add(s.cost.mixed_step);
        hash.add(s.cost.attention);
    }
    hash.add(source.trial(0)->requests);
    return hash.value();
}

/// Accounts of the requests that say whose they are.
void compile_accounts(const WorkloadSource& source, CompiledScenario& out) {
    const std::vector<std::vector<std::string>> tenants = source.tenants();
    for (std::size_t m = 0; m < tenants.size(); ++m) {
        out.parts.first_account.push_back(static_cast<std::uint32_t>(out.accounts.size()));
        for (const std::string& tenant : tenants[m])
            out.accounts.push_back({out.parts.workload_of_model[m], tenant});
    }
    if (!tenants.empty()) out.parts.first_account.push_back(static_cast<std::uint32_t>(out.accounts.size()));
}

/// --metric-resolution of the manifests' metrics-server; the scenario's own word holds.
Tick metrics_server_resolution(const Scenario& scenario) {
    if (scenario.metrics_server_resolution) return *scenario.metrics_server_resolution;
    const std::string flag = "--metric-resolution=";
    for (const WorkloadObject& w : scenario.manifests.workloads)
        for (const Container& c : w.pod.containers)
            for (const std::string& argument : c.args)
                if (c.image.find("metrics-server") != std::string::npos && argument.starts_with(flag))
                    if (const auto resolution = parse_go_duration(argument.substr(flag.size())))
                        if (resolution->count > 0) return *resolution;
    return seconds(15);
}

}  // namespace

Result<CompiledScenario> compile_scenario(const Scenario& scenario, const WorkloadSource& source) {
    CompiledScenario out;
    Problems errors;
    out.name = scenario.name;
    out.warnings = scenario.warnings;
    for (const Problem& note : source.notes()) out.warnings.push_back(note);
    out.clock.start_unix_s = scenario.start_unix_s ? *scenario.start_unix_s
                             : source.start()      ? source.start()->seconds
                                                   : default_start_unix_s;
    out.clock.time_zone = scenario.time_zone;
    BlueprintParts& parts = out.parts;
    parts.span = source.span();
    parts.shared_prefixes = source.has_prefixes();
    parts.drain_limit = scenario.drain_limit;
    parts.epoch_ms = out.clock.start_unix_s * 1000;
    parts.cold = scenario.start == StartState::cold;
    parts.goodput.ttft = scenario.goodput.ttft.value_or(never);
    parts.goodput.tpot = scenario.goodput.tpot.value_or(never);
    parts.goodput.e2el = scenario.goodput.e2el.value_or(never);
    if (!scenario.goodput.empty()) {
        constexpr std::int64_t minute = 60 * ticks_per_second;
        parts.goodput.minutes = static_cast<std::uint32_t>((parts.span.count + minute - 1) / minute);
        for (const Threshold& t : scenario.thresholds)  // "goodput > 99%" says how many must be good
            if (t.metric == ThresholdMetric::goodput && t.comparison >= Comparison::greater) {
                parts.goodput.good_per_million = static_cast<std::uint32_t>(std::llround(t.limit * 1e6));
                break;
            }
    }
    compile_cluster_autoscaler(scenario, parts);
    out.has_goodput = !scenario.goodput.empty();
    parts.scrape.delay = scenario.prometheus.evaluation_delay;
    parts.scrape.metrics_server_resolution = metrics_server_resolution(scenario);

    refuse_unsimulated(scenario, errors);
    out.extended = ExtendedResources::of(scenario.manifests, errors);
    std::vector<PoolDraft> pools = compile_pools(scenario, out, errors);
    compile_daemon_sets(scenario, pools, out);
    StartCompiler starts(scenario.cluster, parts);
    starts.add_sources();
    starts.set_networks(pools);
    std::vector<const WorkloadObject*> objects;
    std::deque<WorkloadObject> leaders;
    const auto serving_part = [&](const WorkloadObject* object) {  // a group's leader serves for it
        if (object->leader) leaders.push_back(*object), leaders.back().pod = *object->leader;
        return object->leader ? &leaders.back() : object;
    };
    parts.workload_of_model.clear();
    for (const WorkloadSpec& spec : scenario.workloads) {
        const WorkloadObject* object = scenario.target_of(spec);
        if (object == nullptr) {
            errors.push_back({spec.where, spec.path + ".target",
                              "found no object that serves it, allowed: Deployment/NAME of the manifests"});
            continue;
        }
        object = serving_part(object);
        const auto known = std::find(objects.begin(), objects.end(), object);
        if (known != objects.end()) {  // two streams of requests to one workload
            parts.workload_of_model.push_back(static_cast<std::uint32_t>(known - objects.begin()));
            continue;
        }
        parts.workload_of_model.push_back(static_cast<std::uint32_t>(objects.size()));
        objects.push_back(object);
        WorkloadDraft(scenario, spec, *object, out, starts, errors).compile(pools);
    }
    for (const WorkloadSpec& spec : scenario.workloads)
        for (const WorkloadSpec& by : spec.prefilled_by) {
            const WorkloadObject* object = scenario.target_of(by);
            const std::size_t answers = find_workload(out, spec);
            if (object == nullptr || answers == out.workloads.size()) continue;  // reported
            const std::size_t prompts = find_workload(out, by);  // another one's too, perhaps
            if (prompts == out.workloads.size()) objects.push_back(serving_part(object));
            if (prompts == out.workloads.size()) WorkloadDraft(scenario, by, *objects.back(), out, starts, errors).compile(pools);
            compile_prefill(scenario, spec, answers, prompts, out, errors);
        }
    for (const ScenarioEvent& event : scenario.events)
        for (std::size_t w = 0; w < objects.size() && event.kind == EventKind::load_test; ++w)
            if (objects[w]->meta.title() == event.target) parts.workload_of_model.push_back(static_cast<std::uint32_t>(w));
    const std::deque<OtherWorkload> others = other_workloads(scenario);
    const std::size_t first_other = objects.size();
    for (const OtherWorkload& other : others) {
        objects.push_back(&other.object);
        WorkloadDraft(scenario, other.spec, other.object, out, starts, errors, &other).compile(pools);
    }
    if (objects.size() > max_workloads)
        errors.push_back(
            {{scenario.file, 0, 0},
             "workload",
             fmt::format("found {} workloads, allowed: at most {}", objects.size(), max_workloads)});
    parts.scrape_loops = {scenario.prometheus.scrape_interval};
    for (std::size_t w = 0; w < std::min(objects.size(), parts.workloads.size()); ++w) {
        const Tick interval = scenario.scrape_interval_of(*objects[w]);
        const auto known = std::find(parts.scrape_loops.begin(), parts.scrape_loops.end(), interval);
        parts.workloads[w].scrape_loop = static_cast<std::uint32_t>(known - parts.scrape_loops.begin());
        if (known == parts.scrape_loops.end()) parts.scrape_loops.push_back(interval);
    }
    starts.add_prefetches(pools, errors);
    size_karpenter_pools(parts, pools);
    add_pools(pools, out, errors);
    compile_costs(scenario, pools, out, errors);
    std::uint64_t pods = 0;
    for (const WorkloadPlan& w : parts.workloads) pods += w.pod_slots;
    if (pods >= 0xfffe)
        errors.push_back(
            {{scenario.file, 0, 0},
             "workload",
             fmt::format("found up to {} pods of all workloads, with their successors, allowed: below 65534",
                         pods)});
    if (!errors.empty()) return errors;
    compile_scheduling(scenario, objects, pools, out);
    compile_events(scenario, objects, pools, parts, errors);
    compile_turns(parts, errors);
    compile_budgets(scenario, objects, parts);
    mark_removal_blockers(scenario, objects, parts);
    compile_quotas(scenario, objects, out, errors);
    compile_cron_jobs(others, first_other, out.clock.start_unix_s, scenario, parts, errors);
    compile_autoscalers(scenario, objects, out.clock, out, errors, out.warnings);
    if (!errors.empty()) return errors;
    compile_accounts(source, out);
    out.unscaled = unscaled_targets(scenario, objects, out);
    out.warnings.insert(out.warnings.end(), out.unscaled.begin(), out.unscaled.end());
    warn_of_shortages(out);
    warn_of_idle_profiles(scenario, out);
    out.hash = hash_of(scenario, parts, source);
    return out;
}

}  // namespace windtunnel
