// What happens beside the workload that requests go to: quotas, and pods that take nodes from it.
#include "tests/gallery/shipped_scenario.hpp"

using namespace gallery;

TEST_CASE("quota-starvation: a quota of 4 GPUs ends the scale-up at four pods, and no node is asked for") {
    const Shown four = show("quota-starvation/scenario.yaml"), sixteen = show("quota-starvation/quota-16.yaml");
    CHECK(four.broken.empty());
    CHECK(four.desired(minutes(30)) == 8);
    for (const PodState state : {PodState::pending, PodState::starting}) CHECK(four.count(state, minutes(40)) == 0);
    CHECK(four.count(PodState::ready, minutes(40)) == 4);
    CHECK(four.outcome.tally.ready_replicas.most == 4);
    CHECK(four.outcome.tally.nodes.most == 4);
    // At 600.1 s the second batch of creations is refused; again 5 ms, 15 ms, ... later: the 19th time 1310.7 s
    // later, then every 1000 s (three times in the run), and at once when one of its pods becomes Ready.
    CHECK(four.outcome.tally.creations_refused >= 22);
    CHECK(four.outcome.tally.creations_refused <= 28);

    CHECK(sixteen.count(PodState::ready, minutes(40)) == 8);
    CHECK(sixteen.outcome.tally.creations_refused == 0);
    CHECK(sixteen.outcome.tally.nodes.most == 8);

    // A quota of five lets one more in.
    const Shown five = show("quota-starvation/scenario.yaml", {"ResourceQuota/gpus:spec.hard[\"requests.nvidia.com/gpu\"]=5"});
    CHECK(five.count(PodState::ready, minutes(40)) == 5);
}

TEST_CASE("cpu-pod-on-gpu-node: without the taint GPU nodes stay for pods that use no GPU") {
    const Shown open = show("cpu-pod-on-gpu-node/scenario.yaml"), tainted = show("cpu-pod-on-gpu-node/tainted.yaml");
    CHECK(open.broken.empty());
    CHECK(tainted.broken.empty());
    // Four ordinary pods of 3 CPUs beside the model's 3 on nodes of 7.9: one on each, and none elsewhere.
    CHECK(open.outcome.tally.pools[0].nodes.most == 0);
    CHECK(open.count(PodState::ready, minutes(5), 1) == 4);
    // With one replica left, its node has room for no second ordinary pod; two others hold three of them.
    CHECK(open.outcome.tally.pools[1].nodes.value == 3);
    // With the taint they are elsewhere, and only the replica's node stays.
    CHECK(tainted.count(PodState::ready, minutes(5), 1) == 4);
    CHECK(tainted.outcome.tally.pools[1].nodes.value == 1);
    CHECK(tainted.outcome.tally.pools[0].nodes.value >= 2);
    const auto gpu_hours = [](const Shown& s) { return s.outcome.tally.pools[1].gpus.ticks.to_double() / 3.6e14; };
    // Both hold four nodes until 10:40 at least; then three against one.
    CHECK(gpu_hours(open) - gpu_hours(tainted) > 2 * 3.0);
    CHECK(gpu_hours(open) - gpu_hours(tainted) < 2 * 3.5);
}

TEST_CASE("pause-pods: the second replica takes the pause pod's node at once, and the pause pod brings the next") {
    const Shown with = show("pause-pods/scenario.yaml"), without = show("pause-pods/without.yaml");
    const auto second_ready = [](const Shown& s) {
        for (const Witness::PodChange& c : s.pods)
            if (c.workload == 0 && c.state == PodState::ready && c.at > seconds(600)) return to_seconds(c.at);
        return 0.0;
    };
    CHECK(with.broken.empty());
    CHECK(with.outcome.tally.pods_preempted == 1);
    CHECK(without.outcome.tally.pods_preempted == 0);
    // 240 s of image and load after at most 2 s for the pause pod's end; readiness is seen within a probe's period.
    CHECK(second_ready(with) >= 600 + 240);
    CHECK(second_ready(with) <= 600 + 240 + 2 + 6);
    // Without it a node comes first: more than two minutes on AWS.
    CHECK(second_ready(without) > second_ready(with) + 120);
    CHECK(with.outcome.tally.nodes.most == 3);
    CHECK(without.outcome.tally.nodes.most == 2);
    CHECK(with.count(PodState::ready, minutes(59), 1) == 1);
    const auto node_hours = [](const Shown& s) { return s.outcome.tally.nodes.ticks.to_double() / 3.6e14; };
    CHECK(node_hours(with) - node_hours(without) > 0.8);  // the idle node
}

TEST_CASE("time-slicing-variance: the time per token varies most where pods share a GPU by time") {
    const Shown shared = show("time-slicing-variance/scenario.yaml"), sliced = show("time-slicing-variance/sliced.yaml"),
                whole = show("time-slicing-variance/whole.yaml");
    for (const Shown* s : {&shared, &sliced, &whole}) {
        CHECK(s->broken.empty());
        CHECK(s->outcome.tally.requests.completed == s->outcome.tally.requests.arrived);
        CHECK(s->outcome.tally.ready_replicas.most == 4);
        CHECK(s->outcome.tally.container_restarts == 0);
    }
    CHECK(shared.outcome.tally.nodes.most == 1);
    CHECK(sliced.outcome.tally.nodes.most == 1);
    CHECK(whole.outcome.tally.nodes.most == 4);
    const auto spread = [](const Shown& s) { return to_seconds(s.outcome.tpot.quantile(0.99)) / to_seconds(s.outcome.tpot.quantile(0.5)); };
    INFO(spread(shared) << " " << spread(sliced) << " " << spread(whole));
    CHECK(spread(shared) > 1.3 * spread(sliced));
    CHECK(spread(shared) > 1.3 * spread(whole));
    // One alone on the shared GPU is as fast as one with a GPU of its own, up to what it shares it with; a slice has a
    // quarter of the memory bandwidth at all times.
    CHECK(shared.outcome.tpot.quantile(0.01) < sliced.outcome.tpot.quantile(0.01));
    // Two servers more than the memory allows: at 0.45 of it each, the third and the fourth find none.
    const Shown full = show("time-slicing-variance/scenario.yaml", {"Deployment/chat:spec.template.spec.containers[vllm].args[2]=--gpu-memory-utilization=0.45"});
    CHECK(full.outcome.tally.ready_replicas.most == 2);
    CHECK(full.outcome.tally.container_restarts > 10);
}

TEST_CASE("mig-density: seven slices serve what seven GPUs do, for a seventh of the money") {
    const Shown whole = show("mig-density/scenario.yaml"), thirds = show("mig-density/thirds.yaml"),
                sevenths = show("mig-density/sevenths.yaml");
    const auto dollars = [](const Shown& s) { return s.outcome.tally.pools[0].price.ticks.to_double(); };
    for (const Shown* s : {&whole, &thirds, &sevenths}) {
        CHECK(s->broken.empty());
        CHECK(s->outcome.tally.requests.completed == s->outcome.tally.requests.arrived);
        CHECK(s->outcome.tally.ready_replicas.most == 7);
    }
    CHECK(dollars(whole) / dollars(sevenths) == Approx(7));
    CHECK(dollars(thirds) / dollars(sevenths) == Approx(4));  // two to a GPU, and one alone
    CHECK(whole.outcome.tpot.quantile(0.5) < thirds.outcome.tpot.quantile(0.5));
    CHECK(thirds.outcome.tpot.quantile(0.5) < sevenths.outcome.tpot.quantile(0.5));
}

TEST_CASE("mig-priority-inversion: without priorities the service waits for the job's slice, with them the job gives way") {
    const Shown plain = show("mig-priority-inversion/scenario.yaml"), classes = show("mig-priority-inversion/priority.yaml");
    CHECK(plain.broken.empty());
    CHECK(classes.broken.empty());
    CHECK(plain.outcome.tally.pods_preempted == 0);
    CHECK(classes.outcome.tally.pods_preempted == 1);
    CHECK(plain.count(PodState::ready, minutes(49)) == 1);
    CHECK(plain.count(PodState::pending, minutes(49)) == 1);
    CHECK(plain.count(PodState::ready, minutes(54)) == 2);
    // Asked for at 600 s; the job's pod has 30 s of grace and ends at once on SIGTERM; then 90 s of load.
    CHECK(classes.count(PodState::ready, seconds(600 + 90 + 35)) == 2);
}

TEST_CASE("other workloads: pods of every kind of the manifests stand in the blueprint") {
    // The pause pods' Deployment comes after the target; nothing is sent to it.
    const Shown with = show("pause-pods/scenario.yaml");
    const BlueprintParts& parts = with.run.scenario.parts;
    REQUIRE(parts.workloads.size() == 2);
    REQUIRE(parts.templates.size() == 2);
    CHECK(parts.templates[0].plan.server == 0);
    CHECK(parts.templates[1].plan.server == -1);
    CHECK(parts.templates[1].plan.priority == -5);
    CHECK(parts.templates[1].plan.preempts == 0);
    CHECK(parts.templates[1].plan.needs == resource_amounts(1, 3000, std::int64_t{12} << 30, 1));
    CHECK(with.outcome.tally.ready_replicas.most == 2);  // pause pods are no replicas of a model
}
