// The checks across objects: what one names must be there, and fit.
#include <algorithm>
#include <map>

#include "policies/cron_schedule.hpp"
#include "policies/promql_parser.hpp"
#include "scenarios/commands/command_line.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"

namespace windtunnel {
namespace {

class Checker {
public:
    Checker(const Manifests& manifests, Findings& findings) : m_manifests(manifests), m_findings(findings) {}

    void check() {
        for (const auto& hpa : m_manifests.horizontal_pod_autoscalers) {
            if (is_taken_over(hpa)) continue;
            scales(hpa.meta, hpa.target, "spec.scaleTargetRef");
            check_metrics(hpa);
        }
        for (const auto& object : m_manifests.scaled_objects) {
            scales(object.meta, object.target, "spec.scaleTargetRef");
            for (std::size_t i = 0; i < object.triggers.size(); ++i) {
                check_resource_trigger(object, i);
                check_texts(object.meta, object.triggers[i], i);
            }
        }
        for (const auto& object : m_manifests.scaled_jobs)
            for (std::size_t i = 0; i < object.triggers.size(); ++i) check_texts(object.meta, object.triggers[i], i);
        for (const auto& rule : m_manifests.rules.alerting) parse_query(rule.expression, rule.where, "expr of " + rule.name);
        for (const auto& rule : m_manifests.rules.recording) parse_query(rule.expression, rule.where, "expr of " + rule.name);
        for (const auto& job : m_manifests.scaling_cron_jobs) check_scaled(job.meta, job.target);
        for (const auto& job : m_manifests.jobs)
            for (const ScaleAction& action : job.actions) check_scaled(job.meta, action.target);
        for (const auto& service : m_manifests.services) check_service(service);
        for (const auto& budget : m_manifests.pod_disruption_budgets) {
            if (budget.selector && !selects_any(*budget.selector, budget.meta.name_space))
                warn(m_manifests.where(budget.meta, "spec.selector"), "spec.selector", "matches no pod template of the manifests");
            note(budget.meta, "", budget.meta.title() + " governs evictions only: rollouts, scale-down and lost nodes do not ask it");
        }
        for (const auto& workload : m_manifests.workloads) {
            check_pod(workload);
            for (const PodTemplate* pod : {&workload.pod, workload.leader ? &*workload.leader : nullptr}) {
                if (pod == nullptr) continue;
                check_mounts(*pod, workload.volume_claims);
                check_pre_stop(*pod, server_of(workload, *pod));
            }
            lint(workload);
        }
        for (const auto& set : m_manifests.daemon_sets) {
            check_mounts(set.pod, {});
            check_pre_stop(set.pod, nullptr);
        }
        for (const auto& job : m_manifests.jobs) check_mounts(job.pod, {});
        for (const auto& pod : m_manifests.bare_pods) check_mounts(pod.pod, {});
        for (const auto& job : m_manifests.scaled_jobs) check_mounts(job.job.pod, {});
        for (const auto& cron : m_manifests.cron_jobs) {
            check_mounts(cron.job.pod, {});
            const auto schedule = CronSchedule::parse(cron.schedule, CronDescriptors::allowed, m_manifests.where(cron.meta, "spec.schedule"), "spec.schedule");
            if (!schedule && !cron.schedule.empty()) m_findings.errors.insert(m_findings.errors.end(), schedule.problems().begin(), schedule.problems().end());
        }
        check_node_pools();
        check_ambiguous_selectors();
        const PriorityClass* by_default = nullptr;
        for (const PriorityClass& c : m_manifests.priority_classes) {
            if (c.global_default && by_default) error(c.meta, "globalDefault", "is true, as that of " + by_default->meta.title() + " is, allowed: one class that is the default");
            if (c.global_default && !by_default) by_default = &c;
        }
    }

private:
    /// A pool names a node class; where the manifests have any of that kind, the one it names must be there.
    void check_node_pools() {
        for (const KarpenterNodePool& pool : m_manifests.node_pools) {
            std::vector<std::string> names;
            bool found = false;
            for (const KarpenterNodeClass& c : m_manifests.node_classes)
                if (c.meta.kind == pool.node_class_kind) {
                    names.push_back(c.meta.name);
                    found = found || c.meta.name == pool.node_class;
                }
            if (!found && !names.empty() && !pool.node_class.empty())
                error(pool.meta, "spec.template.spec.nodeClassRef.name", "found " + pool.node_class + ", which no " + pool.node_class_kind + " of the manifests is" + did_you_mean(pool.node_class, names));
        }
    }

    void error(const ObjectMeta& object, const std::string& path, const std::string& message) {
        m_findings.errors.push_back({m_manifests.where(object, path), path, message});
    }
    void note(const ObjectMeta& object, const std::string& path, const std::string& message) {
        m_findings.notes.push_back({path.empty() ? object.where : m_manifests.where(object, path), path, message});
    }

    const WorkloadObject* target_of(const ObjectMeta& object, const ScaleTarget& target, const std::string& path) {
        if (target.name.empty()) return nullptr;
        if (const WorkloadObject* found = m_manifests.find_workload(target.kind, target.name, object.name_space)) return found;
        std::vector<std::string> titles;
        std::string elsewhere;
        for (const WorkloadObject& w : m_manifests.workloads) {
            titles.push_back(w.meta.title());
            if (w.meta.kind == target.kind && w.meta.name == target.name) elsewhere = w.meta.name_space;
        }
        const std::string title = target.kind + "/" + target.name;
        error(object, path, "found " + title + ", which no manifest has in the namespace " + object.name_space +
                                (elsewhere.empty() ? did_you_mean(title, titles) : "; it is in the namespace " + elsewhere));
        return nullptr;
    }

    void scales(const ObjectMeta& object, const ScaleTarget& target, const std::string& path) {
        const WorkloadObject* workload = target_of(object, target, path);
        if (!workload) return;
        const auto [first, added] = m_scaled.try_emplace(workload, &object);
        if (!added)
            error(object, path, "scales " + workload->meta.title() + ", which " + first->second->title() + " (" + first->second->where.file + ":" +
                                    std::to_string(first->second->where.line) + ") scales already, allowed: one autoscaler for each workload");
    }

    /// Utilization needs requests on every container it counts, or the HPA fails at each sync.
    void needs_requests(const ObjectMeta& object, const std::string& path, const ScaleTarget& target, const std::string& resource, const std::string& container) {
        const WorkloadObject* workload = m_manifests.find_workload(target.kind, target.name, object.name_space);
        if (!workload) return;
        bool found = container.empty();
        for (const Container& c : workload->pod.containers) {
            if (!container.empty() && c.name != container) continue;
            found = true;
            const bool has = resource == "cpu" ? c.resources.cpu_request_milli.has_value() : c.resources.memory_request_bytes.has_value();
            if (!has)
                error(object, path, "scales on " + resource + " utilization but container " + c.name + " of " + workload->meta.title() + " requests no " +
                                        resource + ", allowed: resources.requests." + resource + " on every container");
        }
        if (!found) error(object, path, "found the container " + container + ", which " + workload->meta.title() + " does not have");
    }

    /// A ScaledObject that takes over an existing HPA (annotation transfer-hpa-ownership) replaces it.
    bool is_taken_over(const HorizontalPodAutoscaler& hpa) {
        for (const ScaledObject& object : m_manifests.scaled_objects) {
            if (object.meta.name_space != hpa.meta.name_space || object.hpa_name != hpa.meta.name) continue;
            if (!object.transfers_hpa) continue;
            note(hpa.meta, "", hpa.meta.title() + " is taken over by " + object.meta.title() + " (transfer-hpa-ownership)");
            return true;
        }
        return false;
    }

    void check_metrics(const HorizontalPodAutoscaler& hpa) {
        for (std::size_t i = 0; i < hpa.metrics.size(); ++i) {
            const HpaMetric& metric = hpa.metrics[i];
            const bool resource = metric.source == MetricSource::resource || metric.source == MetricSource::container_resource;
            if (resource && metric.target == MetricTargetType::utilization && !metric.name.empty())
                needs_requests(hpa.meta, "spec.metrics[" + std::to_string(i) + "]", hpa.target, metric.name, metric.container);
        }
    }

    void check_resource_trigger(const ScaledObject& object, std::size_t i) {
        const Trigger& trigger = object.triggers[i];
        const bool resource = trigger.kind == TriggerKind::cpu || trigger.kind == TriggerKind::memory;
        if (resource && trigger.metric_type == MetricTargetType::utilization)
            needs_requests(object.meta, "spec.triggers[" + std::to_string(i) + "]", object.target, trigger.type, trigger.container);
    }

    void parse_query(const std::string& query, const SourcePosition& where, const std::string& path) {
        if (query.empty()) return;
        const auto parsed = parse_promql(query, where, path);
        if (!parsed) m_findings.errors.insert(m_findings.errors.end(), parsed.problems().begin(), parsed.problems().end());
    }

    /// Queries and cron times of a trigger that cannot be parsed.
    void check_texts(const ObjectMeta& object, const Trigger& trigger, std::size_t i) {
        const std::string path = "spec.triggers[" + std::to_string(i) + "].metadata";
        if (trigger.kind == TriggerKind::prometheus) return parse_query(trigger.query, m_manifests.where(object, path + ".query"), object.title() + ":" + path + ".query");
        const bool five = split_words(trigger.start).size() == 5 && split_words(trigger.end).size() == 5;  // else the decoder has said it
        if (trigger.kind != TriggerKind::cron || !five || !is_time_zone(trigger.timezone)) return;
        const auto parsed = parse_cron_trigger({trigger.timezone, trigger.start, trigger.end, std::to_string(trigger.desired_replicas)}, m_manifests.where(object, path), object.title() + ":" + path);
        if (!parsed) m_findings.errors.insert(m_findings.errors.end(), parsed.problems().begin(), parsed.problems().end());
    }

    /// Whether the selector matches pods of any object of the namespace.
    bool selects_any(const LabelSelector& selector, const std::string& name_space) const {
        const auto selects = [&](const ObjectMeta& meta, const PodTemplate& pod) { return meta.name_space == name_space && selector.matches(pod.labels); };
        for (const auto& w : m_manifests.workloads)
            if (selects(w.meta, w.pod) || (w.leader && selects(w.meta, *w.leader))) return true;
        for (const auto& d : m_manifests.daemon_sets)
            if (selects(d.meta, d.pod)) return true;
        for (const auto& j : m_manifests.jobs)
            if (selects(j.meta, j.pod)) return true;
        for (const auto& j : m_manifests.cron_jobs)
            if (selects(j.meta, j.job.pod)) return true;
        return std::any_of(m_manifests.bare_pods.begin(), m_manifests.bare_pods.end(), [&](const BarePod& p) {
            return p.meta.name_space == name_space && selector.matches(p.meta.labels);
        });
    }

    /// What a job scales must be there.
    void check_scaled(const ObjectMeta& job, const ScaleTarget& target) {
        const auto is = [&](const auto& object) { return object.meta.name == target.name && object.meta.name_space == job.name_space; };
        const auto& hpas = m_manifests.horizontal_pod_autoscalers;
        const auto& scaled = m_manifests.scaled_objects;
        if (target.kind == "HorizontalPodAutoscaler" && std::any_of(hpas.begin(), hpas.end(), is)) return;
        if (target.kind == "ScaledObject" && std::any_of(scaled.begin(), scaled.end(), is)) return;
        target_of(job, target, "spec");
    }

    void check_service(const Service& service) {
        if (service.selector.empty()) {
            note(service.meta, "", service.meta.title() + " has no selector and reaches no pods of the manifests");
            return;
        }
        LabelSelector selector;
        selector.match_labels = service.selector;
        if (selects_any(selector, service.meta.name_space)) return;
        std::string labels;
        for (const auto& [key, value] : service.selector) labels += (labels.empty() ? "" : ", ") + key + ": " + value;
        const std::string found = "found {" + labels + "}, which matches no pod template of the manifests";
        if (const std::string meant = near_miss(service.selector, service.meta.name_space); !meant.empty())
            return error(service.meta, "spec.selector", found + ", allowed: labels of a pod template; did you mean " + meant + "?");
        warn(m_manifests.where(service.meta, "spec.selector"), "spec.selector", found);
    }

    /// "app: chat" where one label of a selector, and only one, misses a workload of its namespace by a few letters:
    /// a slip. Other selectors that match nothing may belong to pods that are not among the manifests.
    [[nodiscard]] std::string near_miss(const Labels& selector, const std::string& name_space) const {
        for (const WorkloadObject& workload : m_manifests.workloads) {
            if (workload.meta.name_space != name_space) continue;
            std::string meant;
            int missed = 0;
            for (const auto& [key, value] : selector) {
                const auto has = workload.pod.labels.find(key);
                if (has != workload.pod.labels.end() && has->second == value) continue;
                ++missed;
                if (has != workload.pod.labels.end() && !nearest_name(value, {has->second}).empty()) meant = key + ": " + has->second;
            }
            if (missed == 1 && !meant.empty()) return meant;
        }
        return "";
    }

    void check_pod(const WorkloadObject& workload) {
        const std::string spec = "spec.template.spec";
        if (!workload.pod.priority_class.empty()) {
            const std::string& name = workload.pod.priority_class;
            const bool known = name.starts_with("system-") || std::any_of(m_manifests.priority_classes.begin(), m_manifests.priority_classes.end(),
                                                                          [&](const PriorityClass& p) { return p.meta.name == name; });
            std::vector<std::string> names;
            for (const PriorityClass& p : m_manifests.priority_classes) names.push_back(p.meta.name);
            if (!known)
                error(workload.meta, spec + ".priorityClassName", "found " + name + ", which no PriorityClass of the manifests is" + did_you_mean(name, names));
        }
        for (const Container& c : workload.pod.containers) {
            for (const auto* probe : {&c.startup_probe, &c.readiness_probe, &c.liveness_probe}) {
                if (!*probe || (*probe)->port.empty()) continue;
                const std::string& port = (*probe)->port;
                const bool number = port.find_first_not_of("0123456789") == std::string::npos;
                if (!number && !c.ports.contains(port))
                    m_findings.errors.push_back({(*probe)->where, c.path, "found the port name " + port + ", which the container does not declare, allowed: a number or one of its ports' names"});
            }
        }
    }

    /// The API server takes no template whose containers mount what is no volume of it (a StatefulSet's claims are).
    void check_mounts(const PodTemplate& pod, const std::vector<VolumeClaim>& claims) {
        std::vector<std::string> known;
        for (const Volume& v : pod.volumes) known.push_back(v.name);
        for (const VolumeClaim& claim : claims) known.push_back(claim.meta.name);
        for (const auto* list : {&pod.containers, &pod.init_containers})
            for (const Container& c : *list)
                for (const VolumeMount& mount : c.volume_mounts) {
                    if (mount.volume.empty() || std::find(known.begin(), known.end(), mount.volume) != known.end()) continue;
                    const std::string allowed = known.empty() ? "names under volumes, of which there are none" : join(known);
                    m_findings.errors.push_back({mount.where, c.path + ".volumeMounts", "mounts " + mount.volume + ", which is no volume of the pod, allowed: " + allowed + did_you_mean(mount.volume, known)});
                }
    }

    /// The container whose end is that of a pod's serving; null where none serves.
    [[nodiscard]] static const Container* server_of(const WorkloadObject& workload, const PodTemplate& pod) {
        const bool serves = &pod == (workload.leader ? &*workload.leader : &workload.pod) && (workload.server || pod.gpus() > 0);
        return serves && workload.server_container < pod.containers.size() ? &pod.containers[workload.server_container] : nullptr;
    }
    /// The time that the server's preStop hook takes shapes what is simulated, so it must be known; others' do not.
    void check_pre_stop(const PodTemplate& pod, const Container* server) {
        const std::string declare = std::string("the pod's annotation ") + pre_stop_annotation + ": SECONDS";
        for (const Container& c : pod.containers) {
            if (!c.pre_stop) continue;
            const LifecycleHook& hook = *c.pre_stop;
            const std::string path = c.path + ".lifecycle.preStop";
            if (hook.action == LifecycleHook::Action::sleep && hook.time && *hook.time > pod.termination_grace)
                m_findings.errors.push_back({hook.where, path + ".sleep.seconds", "is above terminationGracePeriodSeconds, which is " + std::to_string(pod.termination_grace.count / ticks_per_second) + ", allowed: at most that"});
            else if (&c != server) {
                m_findings.notes.push_back({hook.where, path, "does not change the result: a pod ends with its model server, whose hook alone is simulated"});
            } else if (hook.time) {
                if (*hook.time >= pod.termination_grace)
                    warn(c.where, c.path, "sleeps in preStop as long as terminationGracePeriodSeconds or longer: the server is killed without time to drain");
            } else if (hook.calls_only) {
                warn(hook.where, path, "calls something: how long that takes is unknown and is taken as no time; declare it: " + declare);
            } else if (!hook.waits_until_idle) {
                m_findings.errors.push_back({hook.where, path + ".exec", "found \"" + join(hook.command, " ") + "\", allowed: a command that sleeps (sleep 30), whose time is known, or " + declare});
            }
        }
    }

    void warn(const SourcePosition& where, const std::string& path, const std::string& message) { m_findings.warnings.push_back({where, path, message}); }

    /// What practitioners' guides warn of; each is simulated as it stands.
    void lint(const WorkloadObject& workload) {
        const PodTemplate& pod = workload.leader ? *workload.leader : workload.pod;
        if (!workload.server || workload.server_container >= pod.containers.size()) return;
        const Container& c = pod.containers[workload.server_container];
        if (!c.readiness_probe) warn(c.where, c.path, "has no readinessProbe: requests reach it as soon as its container runs, before the model is loaded");
        if (c.liveness_probe && !c.startup_probe) {
            const Probe& p = *c.liveness_probe;
            const Tick allowed = p.initial_delay + p.period * p.failure_threshold;
            if (allowed < seconds(300))
                warn(p.where, c.path + ".livenessProbe", "kills the server about " + std::to_string(allowed.count / ticks_per_second) +
                                                             " s after its container starts, which is often before a model is loaded; a startupProbe prevents that");
        }
        for (const Container& other : pod.containers)
            if (&other != &c && other.resources.gpus() > 0)
                warn(other.where, other.path, "takes GPUs beside the server " + c.name + ": what it does with them is not simulated");
        if (workload.server->engine == "vllm" && workload.server->path.starts_with(c.path)) lint_probes(workload, pod, c);
        if (pod.lost_toleration() == never)
            warn(pod.where, pod.path + ".tolerations", "tolerates for ever that its node does not answer: where a node is lost its pods are not replaced; tolerate the taints that the pool has, by their keys");
        const auto scaled = m_scaled.find(&workload);
        if (scaled != m_scaled.end() && workload.replicas_given && !workload.status)
            warn(m_manifests.where(workload.meta, "spec.replicas"), "spec.replicas", "is set although " + scaled->second->title() + " scales it: each apply resets the replicas");
    }

    /// Probes of ports and paths that vLLM does not serve fail for ever in a cluster; here they are taken to ask the server.
    void lint_probes(const WorkloadObject& workload, const PodTemplate& pod, const Container& c) {
        const auto elsewhere = [&](std::int32_t port) {
            return std::any_of(pod.containers.begin(), pod.containers.end(), [&](const Container& other) {
                return &other != &c && std::any_of(other.ports.begin(), other.ports.end(), [&](const auto& p) { return p.second == port; });
            });
        };
        for (const auto* probe : {&c.startup_probe, &c.readiness_probe, &c.liveness_probe}) {
            if (!*probe || (*probe)->action == ProbeAction::exec || (*probe)->port.empty()) continue;
            const Probe& p = **probe;
            const auto named = c.ports.find(p.port);
            const std::int64_t port = named != c.ports.end() ? named->second : to_integer(p.port).value_or(0);
            if (port > 0 && port != workload.server->port && !elsewhere(static_cast<std::int32_t>(port)))
                warn(p.where, c.path, "probes port " + std::to_string(port) + ", but the server listens on " + std::to_string(workload.server->port) + " (--port): in a cluster the pod would not become Ready; it is simulated as if the ports agreed");
            const std::vector<std::string> served = {"/health", "/ping", "/v1/models", "/metrics", "/version", "/load", "/docs", "/openapi.json", "/is_sleeping", "/server_info", "/v1/completions", "/v1/chat/completions"};
            const std::string path = p.http_path.substr(0, p.http_path.find('?'));
            if (p.action == ProbeAction::http_get && std::find(served.begin(), served.end(), path) == served.end())
                warn(p.where, c.path, "asks " + path + ", which vLLM answers with 404: in a cluster the probe would fail; it is simulated as /health" + did_you_mean(path, served));
        }
    }

    /// An HPA whose target's selector also matches another HPA's pods does nothing.
    void check_ambiguous_selectors() {
        for (const auto& [workload, scaler] : m_scaled)
            for (const auto& [other, other_scaler] : m_scaled) {
                if (workload == other || workload->meta.name_space != other->meta.name_space) continue;
                if (workload->selector.matches(other->pod.labels))
                    error(workload->meta, "spec.selector", "also matches the pods of " + other->meta.title() + ", which " + other_scaler->title() + " scales; allowed: selectors that do not overlap");
            }
    }

    const Manifests& m_manifests;
    Findings& m_findings;
    std::map<const WorkloadObject*, const ObjectMeta*> m_scaled;
};

}  // namespace

void check_references(const Manifests& manifests, Findings& findings) { Checker(manifests, findings).check(); }

}  // namespace windtunnel
