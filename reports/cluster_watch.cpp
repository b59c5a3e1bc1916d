// Reasons and messages are those of kube-scheduler, the kubelet, the workload controllers and
// cluster-autoscaler (1.31 and later; those of the node's life and of cluster-autoscaler from general knowledge).
#include "reports/cluster_watch.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

void add_to(Distribution& d, Tick value) {
    if (d.buckets.empty()) d.buckets.resize(SketchBuckets::count);
    ++d.buckets[SketchBuckets::index_of(value)];
    WideSum sum;
    sum.add(static_cast<std::uint64_t>(value.count));
    d.totals.add(value, value, sum, 1);
}

/// Equal counts are equal messages: the text is made once for each.
std::string key_of(std::uint32_t workload, const RejectionCounts& why, const PreemptionResult& tried) {
    std::string key = std::to_string(workload);
    const auto add = [&](const RejectionCounts& c) {
        key += '/' + std::to_string(c.nodes);
        for (const auto n : c.by_reason) key += ',' + std::to_string(n);
        for (const auto n : c.short_of) key += ',' + std::to_string(n);
        for (const auto n : c.by_taint) key += ',' + std::to_string(n);
    };
    add(why);
    if (!tried.found()) {
        add(tried.unfit);
        key += fmt::format("/{}/{}", tried.not_helpful, tried.no_victims);
    }
    return key + (tried.found() ? "+" : "");
}

}  // namespace

ClusterWatch::ClusterWatch(const CompiledScenario& scenario, const Blueprint& b, TrialKey key, std::size_t most_events)
    : m_scenario(scenario),
      m_blueprint(b),
      m_names(scenario),
      m_events(most_events),
      m_pods(b.pod_slots),
      m_nodes(b.node_slots),
      m_pools(b.pools.size()),
      m_waiting(b.templates.size()),
      m_template_message(b.templates.size(), -1),
      m_revisions(b.templates.size()),
      m_starts(scenario, b),
      m_fragmentation(scenario, b),
      m_spot(scenario, b, key) {
    for (std::size_t a = 0; a < scenario.autoscalers.size(); ++a)
        m_autoscalers.emplace_back(scenario.autoscalers[a], b.autoscalers[a]);
    for (const CompiledWorkload& w : scenario.workloads) {
        m_log.workloads.emplace_back();
        m_log.workloads.back().target = w.target;
    }
    for (std::uint32_t p = 0; p < b.pools.size(); ++p) {
        m_log.pools.emplace_back();
        m_log.pools.back().pool = m_names.pool_name(p);
    }
}

std::string ClusterWatch::title(std::uint32_t p) const {
    return m_names.pod(p, m_pods[p].revision, m_pods[p].incarnation);
}
std::string ClusterWatch::node_title(std::uint32_t n) const {
    return "Node/" + m_names.node_name(n, m_nodes[n].incarnation);
}
WorkloadLog& ClusterWatch::log_of(std::uint32_t p) {
    return m_log.workloads[m_blueprint.templates[m_pods[p].revision].workload];
}

void ClusterWatch::request_ended(const RequestRecord& r) {
    if (r.pod == no_index) return;
    RevisionLog& revision = m_revisions[r.revision];
    if (r.end == RequestEnd::failed) ++revision.failed;
    if (r.end != RequestEnd::completed) return;
    ++revision.completed;
    add_to(revision.ttft, r.first_token - r.arrival);
    add_to(revision.e2el, r.finish - r.arrival);
    if (r.output_tokens > 1)
        add_to(revision.tpot, Tick{(r.finish - r.first_token).count / (r.output_tokens - 1)});
}

// ---- why pods have no node ---------------------------------------------------------------------------------

int ClusterWatch::message_of(std::uint32_t workload, const RejectionCounts& why, const PreemptionResult& tried,
                             Tick now) {
    const auto [found, is_new] =
        m_message_index.try_emplace(key_of(workload, why, tried), static_cast<int>(m_messages.size()));
    if (!is_new) return found->second;
    Message message;
    message.workload = workload;
    message.text = unschedulable_message(why, m_scenario.scheduler_words, PreemptionRefusal::tried, tried);
    message.first = now;
    m_messages.push_back(std::move(message));
    return found->second;
}

void ClusterWatch::set_message(std::uint32_t p, int message, Tick now) {
    PodLife& life = m_pods[p];
    if (life.message == message) return;
    if (life.message >= 0 && now > life.message_since) {
        Message& m = m_messages[static_cast<std::size_t>(life.message)];
        const Tick held = now - life.message_since;
        m.held += held;
        m.longest = max(m.longest, held);
        if (life.last_message != static_cast<std::uint64_t>(life.message)) ++m.pods;
        life.last_message = static_cast<std::uint64_t>(life.message);
    }
    life.message = message;
    life.message_since = now;
}

void ClusterWatch::pod_unschedulable(std::uint32_t p, const Pod& pod, const RejectionCounts& why,
                                     const PreemptionResult& tried, Tick now) {
    m_fragmentation.pod_unschedulable(pod, now);
    const int message = message_of(pod.workload, why, tried, now);
    m_template_message[pod.revision] = message;
    // The others of its template were not tried, for the same reason.
    for (const std::uint32_t q : m_waiting[pod.revision]) set_message(q, message, now);
    m_events.warning(now, title(p), "FailedScheduling", m_messages[static_cast<std::size_t>(message)].text);
}

void ClusterWatch::count_waiting(std::uint32_t revision, std::int64_t by, Tick now) {
    for (std::uint32_t pool = 0; pool < m_pools.size(); ++pool) {
        const PoolPlan& plan = m_blueprint.pools[pool];
        bool could = false;
        for (std::uint32_t s = plan.first_shape; s < plan.first_shape + plan.shape_count; ++s)
            could = could || m_blueprint.templates[revision].shapes.has(static_cast<std::int32_t>(s));
        if (!could) continue;
        m_pools[pool].waiting += by;
        judge_pool(pool, now);
    }
}

void ClusterWatch::judge_pool(std::uint32_t pool, Tick now) {
    PoolLife& life = m_pools[pool];
    // While nodes are on their way, pods wait for these and not for what the maximum forbids.
    const bool binds = life.waiting > 0 && life.coming == 0 && pool < m_scenario.node_pools.size() &&
                       m_scenario.node_pools[pool].maximum && life.nodes >= *m_scenario.node_pools[pool].maximum;
    if (binds && life.full_since == never) {
        life.full_since = now;
    } else if (!binds && life.full_since != never) {
        if (now > life.full_since && !life.first_full) life.first_full = life.full_since;
        life.full += now - life.full_since;
        life.full_since = never;
    }
}

// ---- pods and nodes ----------------------------------------------------------------------------------------

void ClusterWatch::pod_created(std::uint32_t p, const Pod& pod, Tick now) {
    m_pods[p] = PodLife{};
    m_pods[p].revision = pod.revision;
    m_pods[p].incarnation = pod.incarnation;
    m_waiting[pod.revision].push_back(p);
    count_waiting(pod.revision, 1, now);
    ++log_of(p).pods_created;
    if (now == Tick{} && !m_blueprint.cold) return;  // they were there before
    const std::string owner = m_names.is_deployment(pod.workload)
                                  ? "ReplicaSet/" + m_names.replica_set_name(pod.revision)
                                  : m_scenario.workloads[pod.workload].target;
    m_events.normal(now, owner, "SuccessfulCreate",
                    "Created pod: " + m_names.pod_name(p, pod.revision, pod.incarnation));
}

void ClusterWatch::pod_bound(std::uint32_t p, const Pod& pod, Tick now) {
    PodLife& life = m_pods[p];
    life.node = pod.node;
    life.node_incarnation = m_nodes[pod.node].incarnation;
    if (now == Tick{} && !m_blueprint.cold) return;
    m_events.normal(now, title(p), "Scheduled",
                    fmt::format("Successfully assigned {}/{} to {}", m_scenario.workloads[pod.workload].name_space,
                                m_names.pod_name(p, pod.revision, pod.incarnation),
                                m_names.node_name(pod.node, life.node_incarnation)));
}

void ClusterWatch::pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
    m_starts.pod_changed(p, pod, now);
    m_fragmentation.pod_changed(p, pod);
    m_spot.pod_changed(p, pod, now);
    PodLife& life = m_pods[p];
    const PodState before = life.state;
    if (before == PodState::none && pod.state == PodState::pending) pod_created(p, pod, now);
    if (before == PodState::pending && pod.state != PodState::pending) {
        set_message(p, -1, now);
        std::erase(m_waiting[life.revision], p);
        count_waiting(life.revision, -1, now);
    }
    if (before == PodState::pending && pod.node != no_index) pod_bound(p, pod, now);
    if (pod.state == PodState::terminating && before < PodState::terminating)
        m_events.normal(now, title(p), "Killing",
                        "Stopping container " + m_scenario.workloads[pod.workload].container);
    if (pod.state == PodState::none && before != PodState::none) {
        end_crash_loop(p, now);
        ++log_of(p).pods_deleted;
    }
    m_pods[p].state = pod.state;
}

void ClusterWatch::end_crash_loop(std::uint32_t p, Tick now) {
    PodLife& life = m_pods[p];
    if (life.crash_looping_since == never) return;
    log_of(p).crash_loop_pod_s += to_seconds(now - life.crash_looping_since);
    life.crash_looping_since = never;
}

void ClusterWatch::node_changed(std::uint32_t n, const ClusterNode& node, Tick now) {
    m_fragmentation.node_changed(n, node);
    m_spot.node_changed(n, node, now);
    NodeLife& life = m_nodes[n];
    const NodeState before = life.state;
    const bool existed = now > Tick{} || m_blueprint.cold;
    life.pool = node.pool;
    life.incarnation = node.incarnation;
    life.state = node.state;
    m_pools[node.pool].coming += (node.state == NodeState::provisioning ? 1 : 0) -
                                 (before == NodeState::provisioning ? 1 : 0);
    if (before == NodeState::none && node.state != NodeState::none) {
        ++m_pools[node.pool].nodes;
        if (existed) ++m_log.pools[node.pool].launched;
    }
    const std::string name = m_names.node_name(n, node.incarnation);
    const auto tell = [&](const char* reason, const std::string& message) {
        if (existed) m_events.normal(now, "Node/" + name, reason, message);
    };
    if (node.state == NodeState::ready && before == NodeState::provisioning)
        tell("NodeReady", fmt::format("Node {} status is now: NodeReady", name));
    if (node.state == NodeState::ready && before == NodeState::cordoned)
        tell("NodeSchedulable", fmt::format("Node {} status is now: NodeSchedulable", name));
    if (node.state == NodeState::draining || node.state == NodeState::cordoned)
        tell("NodeNotSchedulable", fmt::format("Node {} status is now: NodeNotSchedulable", name));
    if (node.state == NodeState::lost) ++m_log.pools[node.pool].lost;
    if (node.state == NodeState::none && before != NodeState::none) {
        tell("RemovingNode", fmt::format("Node {} event: Removing Node {} from Controller", name, name));
        --m_pools[node.pool].nodes;
    }
    judge_pool(node.pool, now);
}

void ClusterWatch::scaled(const ScaleRecord& s) {
    const std::int32_t a = m_blueprint.workloads[s.workload].autoscaler;
    if (a >= 0) m_autoscalers[static_cast<std::size_t>(a)].scaled(s);
}

// ---- what components say -----------------------------------------------------------------------------------

void ClusterWatch::pod_occurred(const OccurrenceRecord& r) {
    WorkloadLog& log = log_of(r.subject);
    const CompiledWorkload& workload = m_names.workload_of(m_pods[r.subject].revision);
    const std::string object = title(r.subject);
    const std::string pod = object.substr(4);
    switch (r.what) {
        case Occurrence::probe_killed: {
            const char* probe = r.value == 1 ? "liveness" : "startup";
            ++(r.value == 1 ? log.liveness_kills : log.startup_kills);
            m_events.normal(r.at, object, "Killing",
                            fmt::format("Container {} failed {} probe, will be restarted", workload.container, probe));
            break;
        }
        case Occurrence::container_exited:
            ++log.restarts;
            break;
        case Occurrence::container_backs_off:
            if (m_pods[r.subject].crash_looping_since == never) m_pods[r.subject].crash_looping_since = r.at;
            m_events.warning(r.at, object, "BackOff",
                             fmt::format("Back-off restarting failed container {} in pod {}_{}", workload.container,
                                         pod, workload.name_space));
            break;
        case Occurrence::container_restarted:
            end_crash_loop(r.subject, r.at);
            m_events.normal(r.at, object, "Started", "Started container " + workload.container);
            break;
        case Occurrence::image_pull_failed:
            m_events.warning(r.at, object, "Failed", "Error: ErrImagePull");
            m_events.normal(r.at, object, "BackOff",
                            fmt::format("Back-off pulling image of container {}", workload.container));
            break;
        case Occurrence::stage_began:
            m_starts.stage_began(r.subject, r.object, r.at);
            break;
        case Occurrence::stage_ended:
            m_starts.stage_ended(r.subject, r.object, r.at);
            break;
        case Occurrence::layer_downloaded:
        case Occurrence::layer_unpacked:
            m_starts.layer_came(r.subject, r.what == Occurrence::layer_unpacked, r.object, r.value);
            break;
        case Occurrence::evicted:
            ++log.evictions;
            m_events.normal(r.at, object, "Evicted", "Evicted through the eviction API");
            break;
        case Occurrence::eviction_refused:
            ++log.evictions_refused;
            m_events.warning(r.at, object, "EvictionRefused",
                             r.object == no_object
                                 ? "This pod has more than one PodDisruptionBudget, which the eviction subresource "
                                   "does not support."
                                 : "Cannot evict pod as it would violate the pod's disruption budget.");
            break;
        case Occurrence::preempted:
            ++log.preempted;
            m_events.normal(r.at, object, "Preempted", "Preempted by " + title(r.object));
            break;
        case Occurrence::nodes_not_requested: {
            std::string why;
            if (r.object > 0) why += fmt::format(": {} max node group size reached", r.object);
            if (r.value > 0)
                why += fmt::format("{} {} in backoff after failed scale-up", why.empty() ? ":" : ",", r.value);
            m_events.normal(r.at, object, "NotTriggerScaleUp", "pod didn't trigger scale-up" + why);
            break;
        }
        default:
            break;
    }
}

void ClusterWatch::workload_occurred(const OccurrenceRecord& r) {
    WorkloadLog& log = m_log.workloads[r.subject];
    const std::uint32_t number = r.object == no_object ? 0 : m_names.revision_number(r.object);
    switch (r.what) {
        case Occurrence::rollout_started:
            log.rollouts.push_back({number, to_seconds(r.at), std::nullopt, false});
            break;
        case Occurrence::rollout_completed:
            for (RolloutLog& rollout : log.rollouts)
                if (rollout.revision == number && !rollout.completed_s) rollout.completed_s = to_seconds(r.at);
            break;
        case Occurrence::rollout_deadline:
            for (RolloutLog& rollout : log.rollouts)
                if (rollout.revision == number && !rollout.completed_s) rollout.deadline_exceeded = true;
            m_events.warning(r.at, log.target, "ProgressDeadlineExceeded",
                             fmt::format("ReplicaSet \"{}\" has timed out progressing.",
                                         m_names.replica_set_name(r.object)));
            break;
        default:
            break;
    }
}

void ClusterWatch::shape_occurred(const OccurrenceRecord& r) {
    const std::uint32_t pool = m_blueprint.shapes[r.subject].pool;
    const std::string name = m_names.pool_name(pool);
    if (r.what == Occurrence::nodes_requested) {
        const std::int64_t most = pool < m_scenario.node_pools.size() ? m_scenario.node_pools[pool].maximum.value_or(0) : 0;
        m_events.normal(r.at, "ConfigMap/cluster-autoscaler-status", "ScaledUpGroup",
                        fmt::format("Scale-up: setting group {} size to {} instead of {} (max: {})", name,
                                    r.value + r.object, r.value, most));
    } else {
        ++m_log.pools[pool].launch_failures;
        m_events.warning(r.at, "ConfigMap/cluster-autoscaler-status", "FailedToScaleUpGroup",
                         fmt::format("Scale-up failed for group {}: the cloud had no more nodes", name));
    }
}

void ClusterWatch::occurred(const OccurrenceRecord& r) {
    switch (r.what) {
        case Occurrence::rollout_started:
        case Occurrence::rollout_completed:
        case Occurrence::rollout_deadline:
            return workload_occurred(r);
        case Occurrence::create_refused: {
            ++m_log.workloads[r.subject].creates_refused;
            const std::string quota =
                r.object < m_scenario.quotas.size() ? m_scenario.quotas[r.object].title : "ResourceQuota";
            m_events.warning(r.at, m_log.workloads[r.subject].target, "FailedCreate",
                             fmt::format("Error creating: pods are forbidden: exceeded quota: {}",
                                         quota.substr(quota.find('/') + 1)));
            return;
        }
        case Occurrence::job_ended:
            m_events.normal(r.at, m_log.workloads[r.subject].target, "Ended", "Job ended");
            return;
        case Occurrence::set_scaled: {
            if (r.at == Tick{} && !m_blueprint.cold) return;
            const std::uint32_t workload = m_blueprint.templates[r.subject].workload;
            if (!m_names.is_deployment(workload)) return;
            const auto to = static_cast<std::int64_t>(r.object);
            m_events.normal(r.at, m_scenario.workloads[workload].target, "ScalingReplicaSet",
                            fmt::format("Scaled {} replica set {} from {} to {}", to > r.value ? "up" : "down",
                                        m_names.replica_set_name(r.subject), r.value, to));
            return;
        }
        case Occurrence::node_launch_failed:
            m_spot.launch_failed(r.subject);
            [[fallthrough]];
        case Occurrence::nodes_requested:
            return shape_occurred(r);
        case Occurrence::node_unreachable:
            m_events.normal(r.at, node_title(r.subject), "NodeNotReady",
                            fmt::format("Node {} status is now: NodeNotReady", node_title(r.subject).substr(5)));
            return;
        // As aws-node-termination-handler and Karpenter name them.
        case Occurrence::spot_rebalance:
            m_spot.recommended(r.subject, r.at);
            m_events.normal(r.at, node_title(r.subject), "RebalanceRecommendation",
                            "Node is at an elevated risk of being interrupted");
            return;
        case Occurrence::spot_noticed:
            m_spot.noticed(r.subject, Tick{r.value}, r.at);
            m_events.warning(r.at, node_title(r.subject), "SpotInterrupted",
                             fmt::format("Spot interruption notice: the machine goes in {:.0f} s", to_seconds(Tick{r.value})));
            return;
        case Occurrence::spot_taken:
            m_spot.taken(r.subject, r.value, r.at);
            m_events.warning(r.at, node_title(r.subject), "SpotTaken",
                             r.value == 0 ? "The cloud has taken the machine, no pod was on it any more"
                                          : fmt::format("The cloud has taken the machine with {} pod{} on it", r.value, r.value == 1 ? "" : "s"));
            return;
        case Occurrence::metrics_silent:
            m_events.warning(r.at, "Prometheus", "NoAnswer",
                             fmt::format("answers no query for {:.0f} s", to_seconds(Tick{r.value})));
            return;
        default:
            return pod_occurred(r);
    }
}

ClusterLog ClusterWatch::finish() {
    const Tick end = m_blueprint.span;
    for (std::uint32_t p = 0; p < m_pods.size(); ++p) {
        set_message(p, -1, max(end, m_pods[p].message_since));
        if (m_pods[p].crash_looping_since < end) end_crash_loop(p, end);
    }
    for (const Message& m : m_messages) {
        if (m.held == Tick{}) continue;  // a node was found at once
        m_log.pending.push_back({m_scenario.workloads[m.workload].target, m.text, m.pods, to_seconds(m.held),
                                 to_seconds(m.longest), to_seconds(m.first)});
    }
    std::stable_sort(m_log.pending.begin(), m_log.pending.end(),
                     [](const PendingReason& a, const PendingReason& b) { return a.pod_s > b.pod_s; });
    for (AutoscalerWatch& a : m_autoscalers) m_log.autoscalers.push_back(a.finish(end));
    for (std::uint32_t pool = 0; pool < m_pools.size(); ++pool) {
        PoolLife& life = m_pools[pool];
        if (life.full_since < end) {
            if (!life.first_full) life.first_full = life.full_since;
            life.full += end - life.full_since;
        }
        if (!life.first_full) continue;
        const CompiledNodePool& bounds = m_scenario.node_pools[pool];  // only one with a maximum was ever full
        m_log.pools[pool].limit = BindingLimit{"pool maximum", *bounds.maximum, to_seconds(life.full),
                                               to_seconds(*life.first_full), bounds.where, bounds.path};
    }
    for (std::uint32_t t = 0; t < m_revisions.size(); ++t) {
        if (m_revisions[t].completed + m_revisions[t].failed == 0) continue;
        m_revisions[t].number = m_names.revision_number(t);
        m_log.workloads[m_blueprint.templates[t].workload].revisions.push_back(std::move(m_revisions[t]));
    }
    m_log.starts = m_starts.finish();
    m_log.fragmentation = m_fragmentation.finish();
    for (SpotMarketLog& s : m_spot.finish())
        if (s.launched + s.launch_failures > 0) m_log.spot.push_back(std::move(s));
    m_log.events = m_events.take();
    m_log.events_omitted = m_events.omitted();
    return std::move(m_log);
}

}  // namespace windtunnel
