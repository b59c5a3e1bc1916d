#pragma once
#include "policies/restart_backoff.hpp"
#include "policies/termination.hpp"
#include "sim/cluster_state.hpp"
#include "sim/gpu_devices.hpp"
#include "sim/image_pull.hpp"
#include "sim/pod_start.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// What the kubelet knows of a pod besides its object: its container, probes and clocks.
struct KubeletPod {
    ContainerProbes probes;
    RestartBackoff backoff;
    KillClock clock;
    std::uint32_t restarts = 0;
    bool running = false;     ///< the container
    bool stopping = false;    ///< it is being stopped: preStop, SIGTERM, SIGKILL
    bool draining = false;    ///< after SIGTERM, until what is in flight is done
    bool routed = false;      ///< the router knows the pod
    bool hook_waits = false;  ///< its preStop waits until nothing is in flight
    bool waits_for_group = false;  ///< a leader whose process runs, without all of its workers
    Tick hook_from;           ///< and at least until then
    Tick exited;              ///< the container's last exit
    // What comes next, each `never` when it does not.
    Tick hook_due = never, kill_due = never, restart_due = never, sync_due = never,
         route_due = never, end_due = never, pull_due = never;
    PullBackoff pull_backoff;
    std::int32_t failed_pulls = 0;
    Tick redraw_due = never;    ///< its server fails a part of what it is asked: when the next probe's luck is drawn
    std::uint32_t redraws = 0;
    bool leaving = false;       ///< the router falls back to it when it has no other
};

/// A pod on its node: its start, its probes, its restarts, and its end within its grace (kubernetes.md,
/// sections 4 and 5).
///
/// Stages before `container_stage` prepare the node (image pulls); then the container runs, and when all are
/// over it serves (sim/pod_start.hpp). Whether the pod is Ready is up to its probes alone: it may be Ready before it
/// serves, so that traffic reaches it and fails, and serve before it is Ready. The router hears of Ready
/// `endpoint_delay` later, in both directions. A probe's next change is a formula, so that a healthy pod does
/// not wake.
template <class Layout, class Owner>
class Kubelet {
public:
    /// How often a pod's containers have been started again.
    [[nodiscard]] WT_HD std::uint32_t restarts(std::uint32_t p) const { return m_pods[p].restarts; }

    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_pods = arena.template take<KubeletPod>(b.pod_slots);
        m_start.take_memory(arena, b);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        for (std::uint32_t p = 0; p < b.pod_slots; ++p) m_pods[p] = KubeletPod{};
        m_start.start(b);
    }

    [[nodiscard]] WT_HD const KubeletPod& pod(std::uint32_t p) const { return m_pods[p]; }
    [[nodiscard]] WT_HD StartStages<Layout, Owner>& starts() { return m_start; }

    /// The pod has been bound to its node.
    WT_HD_COLD void begin(Parts& fleet, std::uint32_t p, Tick now) {
        m_pods[p] = KubeletPod{};
        m_pods[p].probes.start(now);
        m_start.begin(p);
        go_on(fleet, p, now);
        wake(fleet, p, now);
    }

    /// Ready at once, with everything in place: t = 0.
    WT_HD_COLD void finish_start(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const TemplatePlan& plan = s.template_of(s.pod(p));
        KubeletPod& k = m_pods[p];
        if (!k.running) start_container(fleet, p, now);
        k.sync_due = never;
        m_start.finish(s, p, now);
        s.pod(p).stage = static_cast<std::uint8_t>(plan.stage_count);
        if (s.server_of(s.pod(p)) == no_fit_server || !finds_device_memory(s, p)) {
            container_exits(fleet, p, now);
            return wake(fleet, p, now);
        }
        k.probes.assume_healthy(plan.probes.rules);
        if (!s.pod(p).serving) serve(fleet, p, now);
        update_ready(fleet, p, now);
        k.route_due = never;
        route(fleet, p, now);
        wake(fleet, p, now);
    }

    /// The pod has been deleted and is on a node. Its containers get preStop, SIGTERM and their grace.
    WT_HD_COLD void terminate(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        KubeletPod& k = m_pods[p];
        const TemplatePlan& plan = s.template_of(pod);
        if (!k.running) return fleet.pod_gone(p, now);
        if (pod.state == PodState::ready) s.leave_ready(p, now);
        pod.state = PodState::terminating;
        k.probes.pod_deleted(plan.probes.rules, now);
        announce(fleet, p, now);
        s.owner().pod_changed(p, now);
        const Tick grace = min(plan.grace, pod.longest_grace);
        // A container that a probe is killing keeps its clock, which the pod's grace can only shorten.
        if (k.stopping)
            k.kill_due =
                k.kill_due == never ? Tick{never} : min(k.kill_due, now + max(grace, seconds(2)));
        else
            stop_container(fleet, p, now, grace);
        if (pod.exists() && pod.node != no_index) wake(fleet, p, now);
    }

    /// What the pod waited for is due.
    WT_HD_COLD void advance(Parts& fleet, std::uint32_t p, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Pod& pod = s.pod(p);
        if (!WT_CHECK(fault, pod.node != no_index)) return;
        const std::uint32_t incarnation = pod.incarnation;
        while (step(fleet, p, now))
            if (pod.incarnation != incarnation || pod.node == no_index) return;
        if (pod.incarnation == incarnation && pod.node != no_index) wake(fleet, p, now);
    }

    /// A pod's last request has ended.
    WT_HD void idle(Parts& fleet, std::uint32_t p, Tick now) {
        if (m_pods[p].draining)
            container_exits(fleet, p, now);
        else if (m_pods[p].hook_waits)
            hook_looks(fleet, p, now);
        else
            return;
        if (fleet.state().pod(p).node != no_index) wake(fleet, p, now);
    }

    /// Its node's resources go back: whatever still ran there is gone (also with the node itself).
    WT_HD_COLD void forget(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        if (k.routed) fleet.state().owner().endpoint_removed(p, now);
        k.routed = false;
        end_process(fleet, p, now);
        m_start.abandon(fleet.state(), p, now);
        k = KubeletPod{};
    }

    /// Its node is dead: the process is gone, and there is no kubelet. The router does not know yet.
    WT_HD_COLD void node_died(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        end_process(fleet, p, now);
        m_start.abandon(fleet.state(), p, now);
        k.hook_due = k.kill_due = k.restart_due = k.sync_due = k.route_due = k.end_due = k.redraw_due = k.pull_due = never;
        k.draining = k.hook_waits = false;
        fleet.state().wake_pod(p, never);
    }
    /// The pod leaves the endpoints whatever its containers do: its node is gone.
    WT_HD_COLD void unroute(Parts& fleet, std::uint32_t p, Tick now) {
        if (m_pods[p].routed) fleet.state().owner().endpoint_removed(p, now);
        m_pods[p].routed = false;
    }

    /// Its process falls ill (index into Blueprint::degradations), while its health endpoints say that it is well.
    WT_HD_COLD void degrade(Parts& fleet, std::uint32_t p, std::uint32_t degradation, Tick now) {
        State& s = fleet.state();
        s.pod(p).degradation = static_cast<std::uint8_t>(degradation + 1);
        change_condition(fleet, p, now);
    }
    /// Its GPU is gone (it dies again whenever it is started there), or its engine has raised an error.
    WT_HD_COLD void process_dies(Parts& fleet, std::uint32_t p, Tick now) {
        if (!m_pods[p].running) return;
        const std::uint32_t incarnation = fleet.state().pod(p).incarnation;
        container_exits(fleet, p, now);
        const Pod& pod = fleet.state().pod(p);
        if (pod.incarnation == incarnation && pod.node != no_index) wake(fleet, p, now);
    }
    WT_HD_COLD void recover(Parts& fleet, std::uint32_t p, Tick now) {
        fleet.state().pod(p).degradation = 0;
        change_condition(fleet, p, now);
    }

private:
    WT_HD_COLD void change_condition(Parts& fleet, std::uint32_t p, Tick now) {
        fleet.state().owner().server_changed(p);
        m_pods[p].redraw_due = now;
        redraw(fleet, p, now);
        wake(fleet, p, now);
    }

    /// Does one thing that is due at `now`, in a fixed order; false when nothing is.
    WT_HD_COLD bool step(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        KubeletPod& k = m_pods[p];
        const ContainerProbeRules& rules = s.template_of(s.pod(p)).probes.rules;
        if (k.route_due <= now) {
            k.route_due = never;
            route(fleet, p, now);
        } else if (m_start.due(s, p) <= now) {
            m_start.end_stages(s, p, now);
            go_on(fleet, p, now);
        } else if (k.hook_due <= now) {
            hook_ends(fleet, p, now);
        } else if (k.kill_due <= now) {
            container_exits(fleet, p, now);
        } else if (k.restart_due <= now) {
            restart(fleet, p, now);
        } else if (k.pull_due <= now) {
            pull_again(fleet, p, now);
        } else if (k.end_due <= now) {
            work_ends(fleet, p, now);
        } else if (k.sync_due <= now) {
            k.sync_due = never;
            k.probes.sync(rules, now);
        } else if (k.redraw_due <= now) {
            redraw(fleet, p, now);
        } else if (k.probes.next_change(rules) <= now) {
            judge(fleet, p, now, k.probes.step(rules));
        } else {
            return false;
        }
        return true;
    }

    WT_HD_CALL void wake(Parts& fleet, std::uint32_t p, Tick now) {
        const KubeletPod& k = m_pods[p];
        State& s = fleet.state();
        Tick next = min(min(m_start.due(s, p), k.hook_due), min(k.kill_due, k.restart_due));
        next = min(next, min(min(k.sync_due, k.route_due), min(k.end_due, k.redraw_due)));
        next = min(next, k.pull_due);
        next = min(next, k.probes.next_change(s.template_of(s.pod(p)).probes.rules));
        s.wake_pod(p, max(next, now));
    }

    // ---- its start -------------------------------------------------------------------------------------

    /// Begins the stages that may begin; its container starts when what prepares the node is over, and serves
    /// when everything is.
    WT_HD_COLD void go_on(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        KubeletPod& k = m_pods[p];
        if (!k.running && !m_start.is_pulling(s, p)) {
            const bool backs_off = k.pull_due != never;
            if (backs_off || image_fails(s, p, m_start.has_images(s, p))) {
                m_start.step_aside(s, p, now);
                return backs_off ? void() : pull_failed(fleet, p, now);
            }
        }
        bool over = m_start.go_on(s, p, k.running, now);
        pod.stage = static_cast<std::uint8_t>(m_start.stage_reached(p));
        if (!k.running && pod.stage >= plan.container_stage) {
            start_container(fleet, p, now);
            over = m_start.go_on(s, p, true, now);
            pod.stage = static_cast<std::uint8_t>(m_start.stage_reached(p));
        }
        if (!over) return s.owner().pod_changed(p, now);
        // The model does not run on these GPUs, or others have their memory: the server ends when it loads it.
        if (s.server_of(pod) == no_fit_server || !finds_device_memory(s, p) || lacks_cuda(s, p))
            return container_exits(fleet, p, now);
        if (plan.server >= 0) ++s.tally().cold_starts;
        serve(fleet, p, now);
    }

    /// ErrImagePull: the registry refuses or does not answer, at once.
    WT_HD_COLD void pull_failed(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        ++k.failed_pulls;
        constexpr BackoffRules rules = kubelet_backoff;  // by value: device code has no address of it
        const Tick expires = k.pull_backoff.failed(now, rules);
        fleet.state().owner().note(
            OccurrenceRecord{Occurrence::image_pull_failed, p, no_object, (expires - now).count, now});
        wait_for_pull(fleet, p, now);
    }
    /// ImagePullBackOff until the pod is synced after its back-off.
    WT_HD_COLD void wait_for_pull(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        const std::uint64_t draw = fleet.state().pod_draw(
            StreamPurpose::cold_start, p, 24 + static_cast<std::uint32_t>(k.failed_pulls) % 8);
        k.pull_due = backoff_resync(now, k.pull_backoff.last_failure + k.pull_backoff.delay, draw, true);
    }
    WT_HD_COLD void pull_again(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        k.pull_due = never;
        if (now < k.pull_backoff.last_failure + k.pull_backoff.delay) return wait_for_pull(fleet, p, now);
        go_on(fleet, p, now);
    }

    WT_HD_COLD void start_container(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        KubeletPod& k = m_pods[p];
        const TemplatePlan& plan = s.template_of(s.pod(p));
        k.running = true;
        k.probes.container_started(plan.probes.rules, now);
        set_answers(fleet, p, now);
        // The runtime's relist, once a second, sees it and syncs the pod (kubernetes.md 4.8).
        k.sync_due = plan.probes.rules.has_readiness ? now + up_to_a_second(s, p) : Tick{never};
        update_ready(fleet, p, now);
    }

    WT_HD_COLD void serve(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        m_pods[p].waits_for_group = s.is_replica(p) && !workers_serve(s, p);
        if (m_pods[p].waits_for_group) return;
        s.set_serving(p, true);
        if (plan.run_time != Tick{never}) m_pods[p].end_due = now + plan.run_time;
        s.owner().process_serves(p, now);
        fall_ill_at_start(fleet, p, now);
        set_answers(fleet, p, now);
        update_ready(fleet, p, now);
        if (m_pods[p].route_due == never) route(fleet, p, now);
        if (s.is_replica(p)) return;
        const std::uint32_t leader = leader_of(s, p);
        if (!m_pods[leader].waits_for_group || !workers_serve(s, leader)) return;
        serve(fleet, leader, now);
        wake(fleet, leader, now);
    }

    /// A server on a node without a usable driver runs without the GPU; a bad version of a model is ill from the
    /// start.
    WT_HD_COLD void fall_ill_at_start(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const TemplatePlan& plan = s.template_of(s.pod(p));
        const std::uint8_t driver = s.node(s.pod(p).node).driver;
        const std::uint8_t illness = driver != 0 && driver != no_cuda ? driver : plan.degradation;
        if (plan.server >= 0 && illness != 0) degrade(fleet, p, illness - 1u, now);
    }

    /// The work of a job's pod is done; the first so many of a job fail.
    WT_HD_COLD void work_ends(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        m_pods[p].end_due = never;
        const bool fails = s.workload(s.pod(p).workload).job.failed < s.template_of(s.pod(p)).failing_runs;
        fleet.pod_ends(p, !fails, now);
    }

    // ---- a group of pods that serve together -----------------------------------------------------------

    [[nodiscard]] WT_HD static std::uint32_t leader_of(const State& s, std::uint32_t p) {
        const WorkloadPlan& plan = s.blueprint().workloads[s.pod(p).workload];
        return p - (p - plan.first_pod) % plan.ordinals.group_size;
    }
    [[nodiscard]] WT_HD static bool workers_serve(const State& s, std::uint32_t leader) {
        const WorkloadPlan& plan = s.blueprint().workloads[s.pod(leader).workload];
        for (std::uint32_t k = 1; k < plan.ordinals.group_size; ++k)
            if (!s.pod(leader + k).serving) return false;
        return true;
    }
    /// A worker's process is gone: its leader serves no more, and what was in flight is lost.
    WT_HD_COLD void worker_gone(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const std::uint32_t leader = leader_of(s, p);
        if (leader == p || !s.pod(leader).serving) return;
        end_process(fleet, leader, now);
        m_pods[leader].waits_for_group = true;
        set_answers(fleet, leader, now);
        update_ready(fleet, leader, now);
        if (s.pod(leader).node != no_index && !s.pod(leader).lost) wake(fleet, leader, now);
    }

    // ---- probes ----------------------------------------------------------------------------------------

    WT_HD_CALL void set_answers(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        m_pods[p].probes.set_answers(s.template_of(s.pod(p)).probes.rules, now, answer(s, p, 0), answer(s, p, 1),
                                     answer(s, p, 2));
    }
    /// What the startup, readiness or liveness probe (0, 1, 2) meets. A probe that runs an inference meets what
    /// requests meet: an error, a wrong answer, or a slow one.
    [[nodiscard]] WT_HD ProbeAnswer answer(const State& s, std::uint32_t p, int kind) const {
        const Pod& pod = s.pod(p);
        const ProbePlan& plan = s.template_of(pod).probes;
        if (!pod.serving) return {plan.early[kind] != 0, plan.takes};
        if (!plan.infers[kind]) return {true, plan.takes};
        if (pod.degradation == 0) return {true, plan.inference_takes};
        const DegradationPlan& ill = s.blueprint().degradations[pod.degradation - 1u];
        const std::uint64_t draw = s.pod_draw(StreamPurpose::degraded_probe, p, m_pods[p].redraws);
        const bool good = multiply_high(draw, share_one) >= failing_share(ill);
        return {good, {plan.inference_takes.count * ill.slowdown_milli / 1000}};
    }
    /// Of answers that a check would not take.
    [[nodiscard]] WT_HD static std::uint64_t failing_share(const DegradationPlan& ill) {
        const std::uint64_t well = std::uint64_t{share_one - ill.error_share} * (share_one - ill.wrong_share);
        return share_one - well / share_one;
    }
    /// The next probe meets what another draw says. As often as one probe is made.
    WT_HD_COLD void redraw(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const Pod& pod = s.pod(p);
        const ProbePlan& plan = s.template_of(pod).probes;
        KubeletPod& k = m_pods[p];
        k.redraw_due = never;
        ++k.redraws;
        if (pod.degradation != 0 && pod.serving) {
            const std::uint64_t share = failing_share(s.blueprint().degradations[pod.degradation - 1u]);
            const Tick period = min(plan.infers[1] ? plan.rules.readiness.period : Tick{never},
                                    plan.infers[2] ? plan.rules.liveness.period : Tick{never});
            if (share > 0 && share < share_one && period != never) k.redraw_due = now + period;
        }
        set_answers(fleet, p, now);
    }

    WT_HD_COLD void judge(Parts& fleet, std::uint32_t p, Tick now, ProbeEvent event) {
        const TemplatePlan& plan = fleet.state().template_of(fleet.state().pod(p));
        update_ready(fleet, p, now);
        if (!m_pods[p].probes.ready(plan.probes.rules)) stop_leaving(fleet, p);
        if (event != ProbeEvent::startup_failed && event != ProbeEvent::liveness_failed) return;
        if (m_pods[p].stopping) return;
        fleet.state().owner().note(OccurrenceRecord{
            Occurrence::probe_killed, p, no_object, event == ProbeEvent::liveness_failed ? 1 : 0, now});
        const Tick own = event == ProbeEvent::startup_failed ? plan.probes.kill_grace_startup
                                                             : plan.probes.kill_grace_liveness;
        stop_container(fleet, p, now, probe_kill_grace(plan.grace, own, PodDeletion{}));
    }

    /// The pod's Ready condition follows its container; a deleted pod's is no longer of interest.
    WT_HD_CALL void update_ready(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        if (!pod.active()) return;
        const TemplatePlan& plan = s.template_of(pod);
        const ContainerProbeRules& rules = plan.probes.rules;
        const bool probed = rules.has_startup || rules.has_readiness || rules.has_liveness;
        const bool ready =
            m_pods[p].probes.ready(rules) && (probed || !plan.ready_when_serving || pod.serving);
        if (ready == (pod.state == PodState::ready)) return;
        if (ready) {
            s.become_ready(p, now);
        } else {
            s.leave_ready(p, now);
            pod.state = PodState::starting;
            s.owner().pod_changed(p, now);
        }
        announce(fleet, p, now);
    }

    /// EndpointSlice, proxy and gateway hear of it a little later.
    WT_HD void announce(Parts& fleet, std::uint32_t p, Tick now) {
        const Tick delay = fleet.state().template_of(fleet.state().pod(p)).endpoint_delay;
        if (delay.count == 0) return route(fleet, p, now);
        m_pods[p].route_due = now + delay;
    }
    WT_HD void route(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        // Who holds requests sends them to those that serve: nothing is pulled by a worker that loads.
        const Pod& pod = s.pod(p);
        const WorkloadPlan& plan = s.blueprint().workloads[pod.workload];
        const bool wanted =
            pod.state == PodState::ready && (pod.serving || !plan.hold);
        if (wanted == m_pods[p].routed) return;
        m_pods[p].routed = wanted;
        if (wanted)
            s.owner().endpoint_added(p, now);
        else
            s.owner().endpoint_removed(p, now);
        if (wanted) return;
        // kube-proxy falls back to endpoints that end and still serve (kubernetes.md 4.10.2).
        if (plan.routing == Routing::random && !plan.hold && pod.state == PodState::terminating && pod.serving &&
            m_pods[p].probes.ready(s.template_of(pod).probes.rules)) {
            m_pods[p].leaving = true;
            s.owner().endpoint_leaving(p, true);
        }
        hook_looks(fleet, p, now);
    }
    WT_HD void stop_leaving(Parts& fleet, std::uint32_t p) {
        if (!m_pods[p].leaving) return;
        m_pods[p].leaving = false;
        fleet.state().owner().endpoint_leaving(p, false);
    }

    // ---- the container's end, and its next start -------------------------------------------------------

    WT_HD_COLD void stop_container(Parts& fleet, std::uint32_t p, Tick now, Tick grace) {
        KubeletPod& k = m_pods[p];
        const TemplatePlan& plan = fleet.state().template_of(fleet.state().pod(p));
        k.stopping = true;
        k.clock = {now, grace};
        k.hook_waits = plan.pre_stop_drains != 0;
        k.hook_from = k.clock.sigterm(now + plan.pre_stop);
        k.hook_due = k.hook_waits ? now + grace : k.hook_from;
        if (k.hook_waits)
            hook_looks(fleet, p, now);
        else if (k.hook_due <= now)
            hook_ends(fleet, p, now);
    }

    /// A hook that drains ends when the router knows of the pod no more, nothing is in flight, and its own
    /// least time is over.
    WT_HD_COLD void hook_looks(Parts& fleet, std::uint32_t p, Tick now) {
        KubeletPod& k = m_pods[p];
        if (!k.hook_waits || k.hook_due == never || k.routed || fleet.state().owner().requests_of(p) > 0)
            return;
        k.hook_due = min(k.hook_due, max(now, k.hook_from));
        if (k.hook_due <= now) hook_ends(fleet, p, now);
    }
    WT_HD_COLD void hook_ends(Parts& fleet, std::uint32_t p, Tick now) {
        m_pods[p].hook_due = never;
        m_pods[p].hook_waits = false;
        sigterm(fleet, p, now);
    }

    /// The server finishes what is in flight, or drops it and ends (models/server_health.hpp).
    WT_HD_COLD void sigterm(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        KubeletPod& k = m_pods[p];
        const TemplatePlan& plan = s.template_of(pod);
        k.kill_due = k.clock.sigkill(now);
        if (plan.drains && pod.serving && s.owner().requests_of(p) > 0) {
            k.draining = true;
            stop_leaving(fleet, p);
            s.owner().connections_closed(p);
            if (pod.state == PodState::terminating) pod.state = PodState::draining;
            s.owner().pod_changed(p, now);
            return;
        }
        end_process(fleet, p, now);
        set_answers(fleet, p, now);
        if (plan.exit_takes.count == 0) return container_exits(fleet, p, now);
        k.kill_due = min(k.kill_due, now + plan.exit_takes);
    }

    /// The engine is gone, and with it what was in flight.
    WT_HD_COLD void end_process(Parts& fleet, std::uint32_t p, Tick now) {
        Pod& pod = fleet.state().pod(p);
        if (!pod.serving) return;
        State& s = fleet.state();
        stop_leaving(fleet, p);
        s.owner().process_gone(p, now);
        s.set_serving(p, false);
        m_pods[p].end_due = never;
        pod.degradation = 0;  // whatever was wrong with it is over with it
        m_pods[p].redraw_due = never;
        if (m_pods[p].routed && s.blueprint().workloads[pod.workload].hold) {
            m_pods[p].routed = false;
            s.owner().endpoint_removed(p, now);
        }
        if (s.blueprint().workloads[pod.workload].ordinals.group_size > 1) worker_gone(fleet, p, now);
    }

    WT_HD_COLD void container_exits(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        KubeletPod& k = m_pods[p];
        if (!pod.active()) return fleet.pod_gone(p, now);
        end_process(fleet, p, now);
        if (s.template_of(pod).restart_policy == RestartPolicy::do_not) return fleet.pod_ends(p, false, now);
        m_start.container_ended(s, p, now);
        k.running = k.stopping = k.draining = false;
        k.waits_for_group = false;
        k.hook_due = k.kill_due = k.sync_due = never;
        k.probes.container_stopped(s.template_of(pod).probes.rules, now);
        k.exited = now;
        ++k.restarts;
        ++s.tally().container_restarts;
        s.owner().note(OccurrenceRecord{Occurrence::container_exited, p, no_object, k.restarts, now});
        pod.restarted = true;
        update_ready(fleet, p, now);
        s.tell_controller(pod.workload, now);
        k.restart_due = now + up_to_a_second(s, p);
    }

    /// The pod is synced while its container is down (kubernetes.md 4.11).
    WT_HD_COLD void restart(Parts& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        KubeletPod& k = m_pods[p];
        const BackoffRules rules;
        if (!k.backoff.try_restart(k.exited, now, rules)) {
            s.owner().note(OccurrenceRecord{Occurrence::container_backs_off, p, no_object,
                                            (k.backoff.expires(k.exited, rules) - now).count, now});
            k.restart_due =
                backoff_resync(now, k.backoff.expires(k.exited, rules),
                               s.pod_draw(StreamPurpose::cold_start, p, 48 + k.restarts % 16), true);
            return;
        }
        k.restart_due = never;
        s.owner().note(OccurrenceRecord{Occurrence::container_restarted, p, no_object, 0, now});
        go_on(fleet, p, now);
    }

    [[nodiscard]] WT_HD Tick up_to_a_second(const State& s, std::uint32_t p) const {
        const std::uint64_t draw = s.pod_draw(StreamPurpose::cold_start, p, 32 + m_pods[p].restarts % 16);
        return Tick{
            static_cast<std::int64_t>(multiply_high(draw, static_cast<std::uint64_t>(ticks_per_second)))};
    }
    ArenaArray<KubeletPod, Layout> m_pods;
    StartStages<Layout, Owner> m_start;
};

}  // namespace windtunnel
