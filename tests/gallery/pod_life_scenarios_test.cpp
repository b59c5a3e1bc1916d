// Probes, restarts, grace and hooks in the shipped scenarios.
#include "tests/gallery/shipped_scenario.hpp"

#include <cmath>

using namespace gallery;

namespace {

/// A pod's end: from its deletion until its node's resources are free.
struct PodEnd {
    Tick deleted, gone;
    [[nodiscard]] double takes_s() const { return to_seconds(gone - deleted); }
};

std::vector<PodEnd> ends_of(const Shown& shown) {
    std::vector<PodEnd> out;
    std::vector<Tick> deleted;  // by slot; `never` when the pod in it has not been deleted
    for (const auto& c : shown.pods) {
        if (deleted.size() <= c.pod) deleted.resize(c.pod + 1, never);
        if (c.state == PodState::terminating && deleted[c.pod] == never) deleted[c.pod] = c.at;
        if (c.state != PodState::none || deleted[c.pod] == never) continue;
        out.push_back({deleted[c.pod], c.at});
        deleted[c.pod] = never;
    }
    return out;
}

/// When the last pod of the old revision was gone, in seconds after `from`.
double rollout_s(const Shown& shown, Tick from) {
    Tick last = from;
    for (const PodEnd& e : ends_of(shown)) last = max(last, e.gone);
    return to_seconds(last - from);
}

std::vector<RequestRecord> failed(const std::vector<RequestRecord>& requests) {
    std::vector<RequestRecord> out;
    for (const RequestRecord& r : requests)
        if (r.end == RequestEnd::failed) out.push_back(r);
    return out;
}

double failed_share(const Shown& shown, Tick from, Tick to) {
    const std::vector<RequestRecord> all = shown.arrived(from, to);
    REQUIRE(all.size() > 100);
    return static_cast<double>(failed(all).size()) / static_cast<double>(all.size());
}

/// The requests that ended broken `after` seconds (to 0.1 s) after the deletion of some pod.
std::size_t broken_after(const Shown& shown, double after) {
    std::size_t n = 0;
    const std::vector<PodEnd> ends = ends_of(shown);
    for (const RequestRecord& r : failed(shown.requests))
        n += std::any_of(ends.begin(), ends.end(), [&](const PodEnd& e) {
            return std::abs(to_seconds(r.finish - e.deleted) - after) < 0.1;
        });
    return n;
}

}  // namespace

TEST_CASE(
    "readiness-lies: with /health requests reach pods that still load and fail, with /v1/models none does") {
    // Two pods more at 600 s: their containers start at once, their web servers answer /health at once, and
    // they serve after 180 + 60 s. Readiness takes a relist (1 s) and the endpoints' delay (1 s) to be known.
    const Shown lies = show("readiness-lies/scenario.yaml"), honest = show("readiness-lies/models.yaml");
    CHECK(lies.count(PodState::ready, seconds(700)) == 4);
    CHECK(honest.count(PodState::ready, seconds(700)) == 2);
    for (const RequestRecord& r : failed(lies.requests)) {
        CHECK(r.arrival >= seconds(600));
        CHECK(r.arrival <= seconds(842));
    }
    // A pod that fails at once never has a request in flight, so that it gets all those that find no other pod idle. An
    // idle sound pod was chosen longest ago, and gets the next: it works S seconds on one request, then waits 1 s (the
    // requests come at 1 a second) for another. Two of them answer 2 of S + 1 requests; the others fail.
    double work_s = 0, answers = 0;
    for (const RequestRecord& r : lies.arrived(seconds(604), seconds(838)))
        if (r.end == RequestEnd::completed) {
            work_s += to_seconds(r.finish - r.arrival);
            ++answers;
        }
    REQUIRE(answers > 10);
    CHECK(failed_share(lies, seconds(604), seconds(838)) == Approx(1 - 2 / (work_s / answers + 1)).margin(0.04));
    // At random it gets its share: two of four.
    const Shown random = show("readiness-lies/scenario.yaml", {"workload.routing=random"});
    CHECK(failed_share(random, seconds(604), seconds(838)) == Approx(0.5).margin(0.13));
    CHECK(failed(honest.requests).empty());
    // vLLM's own /health does not lie: the port refuses until it can serve.
    const Shown plain =
        show("readiness-lies/scenario.yaml", {"Deployment/chat:spec.template.metadata.annotations={}"});
    CHECK(failed(plain.requests).empty());
    CHECK(honest.count(PodState::ready, seconds(860)) == 4);
}

TEST_CASE(
    "liveness-restart-loop: restarted for ever and never ready; a startup probe of 60 x 10 s cures it") {
    const Shown loop = show("liveness-restart-loop/scenario.yaml"),
                cured = show("liveness-restart-loop/startup.yaml");
    CHECK(loop.outcome.tally.ready_replicas.most == 0);
    CHECK(loop.outcome.tally.requests.completed == 0);
    CHECK(loop.outcome.tally.requests.failed == loop.requests.size());
    // The third probe fails 50 to 60 s after the container's start; its hook and end take 11 s more. Then it
    // waits 0, 10, 20, 40, 80, 160, 300, 300 s, ..., and up to 30 s for the pod's next sync. The 15th exit is
    // later than 15 x 61 + 310 + 8 x 300 = 3625 s, the 13th earlier than 13 x 71 + 310 + 6 x 300 + 12 x 30 =
    // 3393 s. Without back-off it were 50 to 59.
    INFO(loop.outcome.tally.container_restarts << " restarts");
    CHECK(loop.outcome.tally.container_restarts >= 2 * 13);
    CHECK(loop.outcome.tally.container_restarts <= 2 * 14);
    CHECK(cured.outcome.tally.container_restarts == 0);
    CHECK(cured.count(PodState::ready, minutes(10)) == 2);
    CHECK(failed(cured.arrived(minutes(6), hours(1))).empty());
}

TEST_CASE("grace-too-short: 30 s of grace cut generations of 30 to 120 s, 600 s with a drain do not") {
    const Shown cut = show("grace-too-short/scenario.yaml"), drained = show("grace-too-short/grace-600.yaml"),
                aborted = show("grace-too-short/no-drain.yaml");
    for (const Shown* shown : {&cut, &drained, &aborted}) {
        CHECK(shown->outcome.tally.rollouts == 1);
        CHECK(ends_of(*shown).size() == 4);
    }
    CHECK(failed(drained.requests).empty());
    // Whatever else takes long, a drain lasts as long as the longest generation that it found.
    for (const PodEnd& e : ends_of(drained)) {
        CHECK(e.takes_s() > 30);
        CHECK(e.takes_s() < 150);
    }
    // The hook is cut at the end of the grace; vLLM gets SIGTERM and drops what it has.
    const std::size_t lost = failed(cut.requests).size();
    CHECK(lost >= 5);
    CHECK(broken_after(cut, 30) == lost);
    for (const PodEnd& e : ends_of(cut)) CHECK(e.takes_s() == Approx(31).margin(1.1));
    // Without a hook it gets SIGTERM, and drops all that it has, at once, whatever the grace.
    INFO(lost << " and " << failed(aborted.requests).size() << " broken responses");
    CHECK(failed(aborted.requests).size() > lost + lost / 4);
    CHECK(5 * broken_after(aborted, 0) > 4 * failed(aborted.requests).size());
    for (const PodEnd& e : ends_of(aborted)) CHECK(e.takes_s() == Approx(1).margin(0.1));
}

TEST_CASE(
    "blind-sleep: nothing breaks with 540 s of sleep and with a drain, and the drain's rollout is short") {
    const Shown slept = show("blind-sleep/scenario.yaml"), drained = show("blind-sleep/drain.yaml"),
                hasty = show("blind-sleep/sleep-15.yaml");
    for (const Shown* shown : {&slept, &drained, &hasty}) {
        CHECK(shown->outcome.tally.rollouts == 1);
        CHECK(ends_of(*shown).size() == 4);
    }
    CHECK(failed(slept.requests).empty());
    CHECK(failed(drained.requests).empty());
    CHECK(failed(hasty.requests).size() >= 5);
    CHECK(broken_after(hasty, 15) == failed(hasty.requests).size());
    for (const PodEnd& e : ends_of(slept)) CHECK(e.takes_s() == Approx(541).margin(0.1));
    for (const PodEnd& e : ends_of(hasty)) CHECK(e.takes_s() == Approx(16).margin(0.1));
    for (const PodEnd& e : ends_of(drained)) CHECK(e.takes_s() < 150);
    // One spare GPU: four times in turn a pod loads for 240 s and is found Ready within a startup probe's
    // period, and its predecessor gives its GPU back after preStop.
    for (const Shown* shown : {&slept, &drained, &hasty}) {
        double takes = 4 * 240;
        for (const PodEnd& e : ends_of(*shown)) takes += e.takes_s();
        INFO(takes << " s");
        CHECK(rollout_s(*shown, seconds(600)) >= takes);
        CHECK(rollout_s(*shown, seconds(600)) <= takes + 4 * 11);
    }
    CHECK(rollout_s(drained, seconds(600)) < 0.5 * rollout_s(slept, seconds(600)));
}
