// What rollouts and drains cost in the shipped scenarios about them.
#include "sim/timeline.hpp"
#include "tests/gallery/shipped_scenario.hpp"

using namespace gallery;

namespace {

/// Ready pods of the first workload over time.
struct Readiness {
    std::size_t least = SIZE_MAX, most_pods = 0;
    Tick unserved;               ///< time without any
    std::vector<Tick> became;    ///< when a pod became ready, after the start
    std::vector<Tick> released;  ///< when a ready pod was told to go
};

Readiness readiness(const Shown& shown) {
    Readiness out;
    std::vector<PodState> now;
    Tick since;
    std::size_t ready = 0;
    for (const Witness::PodChange& c : shown.pods) {
        if (now.size() <= c.pod) now.resize(c.pod + 1, PodState::none);
        if (c.at > Tick{}) {
            out.least = std::min(out.least, ready);
            if (ready == 0) out.unserved = out.unserved + (c.at - since);
            if (c.state == PodState::ready) out.became.push_back(c.at);
            if (now[c.pod] == PodState::ready && c.state == PodState::terminating)
                out.released.push_back(c.at);
        }
        now[c.pod] = c.state;
        since = c.at;
        ready = static_cast<std::size_t>(std::count(now.begin(), now.end(), PodState::ready));
        const auto gone = std::count(now.begin(), now.end(), PodState::none);
        out.most_pods = std::max(out.most_pods, now.size() - static_cast<std::size_t>(gone));
    }
    out.least = std::min(out.least, ready);
    return out;
}

std::uint64_t failed(const Shown& shown) { return shown.outcome.tally.requests.failed; }

}  // namespace

TEST_CASE(
    "rolling-update-downtime: maxUnavailable 1 leaves minutes unserved, a surge pod none for a second node") {
    const Shown gone = show("rolling-update-downtime/scenario.yaml"),
                surge = show("rolling-update-downtime/surge.yaml");
    CHECK(gone.outcome.tally.rollouts == 1);
    CHECK(surge.outcome.tally.rollouts == 1);

    // The old pod holds the GPU for its preStop of 90 s and the requests in flight, the new one loads for 240
    // s.
    const Readiness without = readiness(gone);
    CHECK(without.least == 0);
    CHECK(without.unserved >= seconds(90 + 240));
    CHECK(without.unserved <= seconds(90 + 240 + 90));
    const double expected = 0.5 * to_seconds(without.unserved);  // requests that arrive meanwhile
    CHECK(static_cast<double>(failed(gone)) == Approx(expected).epsilon(0.25));
    CHECK(gone.outcome.tally.pools[0].launched == 1);

    const Readiness with = readiness(surge);
    CHECK(with.least == 1);
    CHECK(with.unserved == Tick{});
    CHECK(failed(surge) == 0);
    CHECK(surge.outcome.tally.pools[0].launched == 2);
    // The second node is there for the new pod's start at least, and does not stay.
    CHECK(surge.outcome.tally.nodes.most == 2);
    CHECK(surge.outcome.tally.nodes.value == 1);

    // Without a second node the surge pod has no GPU: nothing fails, and nothing is rolled out.
    const Shown full =
        show("rolling-update-downtime/surge.yaml", {"ClusterConfig/prod:managedNodeGroups[0].maxSize=1"});
    CHECK(full.outcome.tally.rollouts == 0);
    CHECK(failed(full) == 0);
}

TEST_CASE("surge-pod-stuck: the surge pod waits for its node once, or for ever, or is not needed") {
    const Tick begun = minutes(10);
    const Shown waits = show("surge-pod-stuck/scenario.yaml"), spare = show("surge-pod-stuck/spare.yaml");
    const Readiness late = readiness(waits), prompt = readiness(spare);
    REQUIRE(late.became.size() == 4);
    REQUIRE(prompt.became.size() == 4);
    CHECK(waits.outcome.tally.rollouts == 1);
    CHECK(spare.outcome.tally.rollouts == 1);
    CHECK(late.least == 4);
    CHECK(prompt.least == 4);
    CHECK(late.most_pods >= 5);

    // Node start 750 s, and the autoscaler's own delays.
    const Tick longer = late.became.back() - prompt.became.back();
    INFO(to_seconds(longer) << " s longer");
    CHECK(longer >= seconds(750));
    CHECK(longer <= minutes(15));
    // Every pod after the first waits for a predecessor's GPU, as with the spare.
    for (std::size_t i = 1; i < 4; ++i)
        CHECK(to_seconds(late.became[i] - late.became[i - 1]) ==
              Approx(to_seconds(prompt.became[i] - prompt.became[i - 1])).margin(90));
    CHECK(prompt.became[0] - begun < minutes(6));
    CHECK(waits.outcome.tally.nodes.ticks.to_double() < spare.outcome.tally.nodes.ticks.to_double());

    const Shown stuck = show("surge-pod-stuck/no-room.yaml");
    CHECK(stuck.outcome.tally.rollouts == 0);
    CHECK(readiness(stuck).became.empty());
    CHECK(stuck.count(PodState::pending, minutes(89)) == 1);
    CHECK(stuck.count(PodState::ready, minutes(89)) == 4);

    const Shown moved = show("surge-pod-stuck/unavailable.yaml");
    const Readiness three = readiness(moved);
    CHECK(moved.outcome.tally.rollouts == 1);
    CHECK(three.least == 3);
    CHECK(three.became.size() == 4);
    CHECK(moved.outcome.tally.pools[0].launched == 4);
}

TEST_CASE("pdb-holds: a budget holds the last warm replica until its successor is ready") {
    const std::string assigned = "PodDisruptionBudget/chat:spec.minAvailable=0";
    const Shown bare = show("pdb-holds/scenario.yaml"), held = show("pdb-holds/pdb.yaml"),
                allowed = show("pdb-holds/pdb.yaml", {assigned});
    for (const Shown* shown : {&bare, &allowed}) {
        const Readiness r = readiness(*shown);
        REQUIRE(r.released.size() == 2);
        CHECK(r.released[0] == seconds(900));
        CHECK(r.released[1] == seconds(1020));
        CHECK(r.least == 0);
        CHECK(r.unserved > minutes(2));
        CHECK(failed(*shown) > 60);
        CHECK(shown->outcome.tally.evictions_refused == 0);
    }
    CHECK(failed(bare) == failed(allowed));

    const Readiness r = readiness(held);
    REQUIRE(r.released.size() == 2);
    REQUIRE(r.became.size() == 2);
    CHECK(r.released[0] == seconds(900));
    CHECK(r.released[1] >= r.became[0]);               // not before the successor is ready
    CHECK(r.released[1] - r.became[0] <= seconds(5));  // and then at the drain's next try
    CHECK(r.least == 1);
    CHECK(failed(held) == 0);
    CHECK(held.outcome.tally.evictions == bare.outcome.tally.evictions);
    // A try every 5 s from 1020 s on.
    const double tries = to_seconds(r.released[1] - seconds(1020)) / 5;
    CHECK(static_cast<double>(held.outcome.tally.evictions_refused) == Approx(tries).margin(2));

    const Shown one = show("pdb-holds/one-replica.yaml");
    CHECK(one.outcome.tally.evictions == 0);
    CHECK(one.outcome.tally.evictions_refused > 800);  // every 5 s for 75 minutes
    CHECK(readiness(one).released.empty());
    CHECK(failed(one) == 0);
}

TEST_CASE("anti-affinity: replicas on one node die with it, apart one goes on serving") {
    const Tick lost = minutes(30), noticed = lost + seconds(55 + 5);
    const Shown together = show("anti-affinity/scenario.yaml"), apart = show("anti-affinity/apart.yaml"),
                freed = show("anti-affinity/apart.yaml", {"Deployment/chat:spec.template.spec.affinity={}"});
    const auto failed_between = [](const Shown& shown, Tick from, Tick to) {
        const std::vector<RequestRecord> arrived = shown.arrived(from, to);
        const auto n = std::count_if(arrived.begin(), arrived.end(),
                                     [](const RequestRecord& r) { return r.end != RequestEnd::completed; });
        return arrived.empty() ? 0.0 : static_cast<double>(n) / static_cast<double>(arrived.size());
    };
    // Nobody serves until the loss is noticed, the pods are given up 300 s later and new ones have loaded.
    const Tick served = lost + seconds(50 + 300 + 240);
    for (const Shown* shown : {&together, &freed}) {
        CHECK(shown->outcome.tally.nodes.most == 1);
        CHECK(readiness(*shown).least == 0);
        CHECK(failed_between(*shown, lost, served) == 1);
        CHECK(failed_between(*shown, minutes(60), minutes(90)) == 0);
    }
    CHECK(failed(together) == failed(freed));

    CHECK(apart.outcome.tally.nodes.most >= 2);
    CHECK(readiness(apart).least == 1);
    // The router sends requests to the dead replica until it is known to be dead.
    CHECK(failed_between(apart, lost, lost + seconds(50)) > 0.2);
    CHECK(failed_between(apart, noticed, minutes(90)) == 0);
    CHECK(failed(together) > 8 * failed(apart));
    CHECK(apart.outcome.tally.nodes.ticks.to_double() > 1.5 * together.outcome.tally.nodes.ticks.to_double());
}

TEST_CASE("anti-affinity: the timeline counts every arrival once, and the time of the lost node") {
    const Shown shown = show("anti-affinity/scenario.yaml");
    const BlueprintBlock block = build(shown.run.scenario.parts, 16);
    TimelineObserver observer(block.blueprint(), 24);
    TrialArena arena;
    const TrialOutcome outcome = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
        block.blueprint(), shown.trace->view(), {shown.run.seed, 0}, arena, observer);
    REQUIRE(outcome.tally.status == TrialStatus::complete);
    std::uint64_t arrivals = 0;
    Tick lost;
    for (const TimelineSlice& slice : observer.finish().slices) {
        arrivals += slice.arrivals;
        lost = lost + slice.nodes[static_cast<int>(NodeState::lost)];
    }
    CHECK(arrivals == outcome.tally.requests.arrived);
    CHECK(lost >= seconds(300));
}
