#include "models/server_health.hpp"
#include "policies/restart_backoff.hpp"
#include "policies/termination.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

TEST_CASE("restart back-off: the first exit restarts at once, then 10 s doubling to 300 s") {
    RestartBackoff record;
    Tick start{};
    std::vector<std::int64_t> waits;
    for (int i = 0; i < 9; ++i) {
        const Tick exit = start + seconds(5);
        const Tick expires = record.expires(exit, kubelet_backoff);
        waits.push_back((expires - exit).count / ticks_per_second);
        if (expires > exit) CHECK_FALSE(record.try_restart(exit, expires - Tick{1}, kubelet_backoff));
        REQUIRE(record.try_restart(exit, expires, kubelet_backoff));
        start = expires;
    }
    CHECK(waits == std::vector<std::int64_t>{0, 10, 20, 40, 80, 160, 300, 300, 300});
}

TEST_CASE("restart back-off: more than ten minutes of run begin it anew") {
    RestartBackoff record;
    REQUIRE(record.try_restart(seconds(0), seconds(0), kubelet_backoff));
    REQUIRE(record.try_restart(seconds(5), seconds(15), kubelet_backoff));
    CHECK(record.expires(seconds(615), kubelet_backoff) == seconds(635));  // ran 600 s: not more than that
    CHECK(record.expires(seconds(616), kubelet_backoff) == seconds(616));
    REQUIRE(record.try_restart(seconds(616), seconds(616), kubelet_backoff));
    CHECK(record.expires(seconds(620), kubelet_backoff) == seconds(630));
}

TEST_CASE("restart back-off: a record is dropped ten minutes after a start, also while the container waits") {
    // It runs for 350 s: from the seventh exit on it waits at most 250 s, and begins anew after that.
    RestartBackoff record;
    Tick start{};
    std::vector<std::int64_t> waits;
    for (int i = 0; i < 9; ++i) {
        const Tick exit = start + seconds(350);
        for (start = exit; !record.try_restart(exit, start, kubelet_backoff);) start = start + seconds(1);
        waits.push_back((start - exit).count / ticks_per_second);
    }
    CHECK(waits == std::vector<std::int64_t>{0, 10, 20, 40, 80, 160, 251, 10, 20});
}

TEST_CASE("restart back-off: the restart comes with the pod's next sync") {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    // Up to 1.34: every 10 to 15 s, whatever is left.
    CHECK(backoff_resync(seconds(100), seconds(101), 0, false) == seconds(110));
    CHECK(backoff_resync(seconds(100), seconds(101), most, false) == seconds(115));
    // Since 1.35: what is left, up to 1.5 times, at most 60 s of it at a time.
    CHECK(backoff_resync(seconds(100), seconds(120), 0, true) == seconds(120));
    CHECK(backoff_resync(seconds(100), seconds(120), most, true) == seconds(130));
    CHECK(backoff_resync(seconds(100), seconds(400), 0, true) == seconds(160));
    CHECK(backoff_resync(seconds(100), seconds(400), most, true) == seconds(190));
    CHECK(backoff_resync(seconds(100), seconds(100), 0, true) == seconds(101));  // its queue's granularity
}

TEST_CASE("image pulls: failures back off from the first one on; a node pulls one image at a time") {
    PullBackoff record;
    CHECK(record.failed(seconds(0), kubelet_backoff) == seconds(10));
    CHECK(record.failed(seconds(10), kubelet_backoff) == seconds(30));
    CHECK(record.failed(seconds(30), kubelet_backoff) == seconds(70));
    CHECK(record.failed(seconds(631), kubelet_backoff) == seconds(641));  // 601 s later: anew

    CHECK(asks_registry(ImagePullPolicy::if_not_present, false));
    CHECK_FALSE(asks_registry(ImagePullPolicy::if_not_present, true));
    CHECK(asks_registry(ImagePullPolicy::always, true));
    CHECK_FALSE(asks_registry(ImagePullPolicy::present_only, false));
}

TEST_CASE("termination: preStop runs inside the grace, SIGKILL leaves at least 2 s") {
    const KillClock clock{seconds(100), seconds(30)};
    CHECK(clock.sigterm(seconds(100)) == seconds(100));
    CHECK(clock.sigkill(seconds(100)) == seconds(130));
    // 10.5 s of preStop count as 10 whole ones.
    CHECK(clock.sigkill(clock.sigterm(milliseconds(110'500))) == milliseconds(130'500));
    CHECK(clock.sigterm(seconds(400)) == seconds(130));
    CHECK(clock.sigkill(seconds(130)) == seconds(132));
    CHECK(clock.sigkill(seconds(129)) == seconds(131));
}

TEST_CASE("termination: a later request only shortens, and the kubelet gives at least a second") {
    PodDeletion deletion;
    REQUIRE(deletion.request(seconds(10), seconds(600)));
    CHECK(deletion.deadline() == seconds(610));
    CHECK_FALSE(deletion.request(seconds(20), seconds(600)));
    REQUIRE(deletion.request(seconds(20), seconds(30)));
    CHECK(deletion.deadline() == seconds(50));
    REQUIRE(deletion.request(seconds(30), seconds(0)));
    CHECK(deletion.deadline() == seconds(31));

    CHECK(probe_kill_grace(seconds(30), seconds(5), PodDeletion{}) == seconds(5));
    CHECK(probe_kill_grace(seconds(30), Tick{-1}, PodDeletion{}) == seconds(30));
    CHECK(probe_kill_grace(seconds(30), seconds(5), deletion) == seconds(21));
}

TEST_CASE("termination: sidecars go after the main containers, in reverse order, on what grace is left") {
    // A proxy and a log shipper beside a server that drains 25 of 30 s.
    StoppingContainer pod[3];
    pod[0] = {true, seconds(0), seconds(1), {}, {}};
    pod[1] = {true, seconds(3), never, {}, {}};
    pod[2] = {false, seconds(5), seconds(20), {}, {}};
    CHECK(stop_containers(pod, 3, Tick{}, seconds(30)) == seconds(31));
    CHECK(pod[2].sigterm == seconds(5));
    CHECK(pod[2].gone == seconds(25));
    CHECK(pod[1].sigterm == seconds(25));  // its hook was over at 3 s
    CHECK(pod[1].gone == seconds(30));     // 30 - 3 - 22 s are left
    CHECK(pod[0].sigterm == seconds(30));
    CHECK(pod[0].gone == seconds(31));

    // A server that ignores SIGTERM: the sidecars' grace is used up by waiting, 2 s each remain.
    pod[2].exits_after = never;
    pod[0].exits_after = never;
    CHECK(stop_containers(pod, 3, Tick{}, seconds(30)) == seconds(32));
    CHECK(pod[2].gone == seconds(30));
    CHECK(pod[1].sigterm == seconds(30));
    CHECK(pod[1].gone == seconds(32));
    CHECK(pod[0].sigterm == seconds(30));  // no longer waits for its turn
    CHECK(pod[0].gone == seconds(32));
}

TEST_CASE("endpoints: the last terminating pods that still serve get the traffic") {
    const EndpointConditions up = endpoint_conditions(true, false, false);
    const EndpointConditions leaving = endpoint_conditions(true, true, false);
    const EndpointConditions drained = endpoint_conditions(false, true, false);
    CHECK(receives_traffic(up, true));
    CHECK_FALSE(receives_traffic(leaving, true));
    CHECK(receives_traffic(leaving, false));
    CHECK_FALSE(receives_traffic(drained, false));
    CHECK_FALSE(receives_traffic(endpoint_conditions(false, false, false), false));
    CHECK(receives_traffic(endpoint_conditions(false, true, true), true));  // publishNotReadyAddresses
}

TEST_CASE("health: what answers while a server loads, serves and is ill") {
    using enum HealthEndpoint;
    const auto loading = [](HealthFamily f, HealthEndpoint e) {
        return health_answer(f, e, ServerCondition::loading);
    };
    for (const HealthEndpoint e : {health, models, port, inference})
        CHECK(loading(HealthFamily::vllm, e) == HealthAnswer::refused);
    CHECK(loading(HealthFamily::early_health, health) == HealthAnswer::good);
    CHECK(loading(HealthFamily::early_health, models) == HealthAnswer::refused);
    CHECK(loading(HealthFamily::vllm, always) == HealthAnswer::good);

    CHECK(health_answer(HealthFamily::vllm, health, ServerCondition::garbage) == HealthAnswer::good);
    CHECK(health_answer(HealthFamily::vllm, inference, ServerCondition::garbage) == HealthAnswer::refused);
    CHECK(health_answer(HealthFamily::vllm, inference, ServerCondition::slow) == HealthAnswer::infers);
    CHECK(health_answer(HealthFamily::vllm, health, ServerCondition::dead) == HealthAnswer::refused);
    CHECK(health_answer(HealthFamily::vllm, port, ServerCondition::dead) == HealthAnswer::good);

    CHECK(sigterm_behaviour(HealthFamily::vllm) == SigtermBehaviour::abort);
    CHECK(sigterm_behaviour(HealthFamily::tgi) == SigtermBehaviour::drain);
    CHECK(health_endpoint_of("/v1/models?x=1") == models);
    CHECK(health_endpoint_of("/health/") == health);
    CHECK(health_endpoint_of("/v1/completions") == inference);
}
