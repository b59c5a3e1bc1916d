#include "policies/container_probes.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <vector>

using namespace windtunnel;

namespace {

/// The kubelet's loop written down again, unit of time by unit of time, sharing nothing with the closed form.
namespace naive {

constexpr int units_per_second = 4;

struct Rule {
    bool present = false;
    int delay = 0, period = units_per_second, timeout = 1, successes = 1, failures = 3;
};

enum class Op { start, stop, answers, sync, remove };
struct Action {
    Op op;
    bool success[3] = {};
    int takes[3] = {};
};

struct Case {
    Rule rules[3];  // startup, readiness, liveness
    bool restarts_ticker = true;
    int kill_takes = 3, restart_takes = 5, end = 0;
    std::multimap<int, Action> script;
};

struct Change {
    int at;
    ProbeEvent event;
    bool operator==(const Change& o) const { return at == o.at && event == o.event; }
};

struct Worker {
    int origin = 0, busy_until = -1, run = 0;
    bool buffered_tick = false, buffered_trigger = false, busy_success = false, last = false;
    bool on_hold = false, over = false;
    int result = -1;  // -1 none, 0 failure, 1 success
};

struct Simulation {
    const Case& c;
    Worker w[3];
    bool running = false, started = false, deleted = false;
    int container_start = 0;
    Action meets{Op::answers, {}, {1, 1, 1}};
    std::vector<Change> seen;
    std::multimap<int, Action> actions;

    explicit Simulation(const Case& given) : c(given), actions(given.script) {
        for (int i = 0; i < 3; ++i) w[i].result = i == 2 ? 1 : i == 1 ? 0 : -1;
    }

    void fail(int t, ProbeEvent event) {
        seen.push_back({t, event});
        actions.insert({t + c.kill_takes, {Op::stop, {}, {}}});
        actions.insert({t + c.kill_takes + c.restart_takes, {Op::start, {}, {}}});
    }
    void trigger_readiness() {
        if (c.rules[1].present && running && started && w[1].result != 1) w[1].buffered_trigger = true;
    }
    void result_of(int i, int t) {
        Worker& x = w[i];
        const bool success = x.busy_success;
        x.busy_until = -1;
        if (x.over) return;
        x.run = x.last == success ? x.run + 1 : 1;
        x.last = success;
        if (x.run < (success ? c.rules[i].successes : c.rules[i].failures)) return;
        const int before = x.result;
        x.result = success ? 1 : 0;
        if (i == 0 && success) {
            x.over = true;
            started = true;
            seen.push_back({t, ProbeEvent::started});
            trigger_readiness();
        } else if (i == 0) {
            x.on_hold = true;
            x.run = 0;
            fail(t, ProbeEvent::startup_failed);
        } else if (i == 2 && !success) {
            x.on_hold = true;
            x.run = 0;
            fail(t, ProbeEvent::liveness_failed);
        } else if (i == 1 && before != x.result) {
            seen.push_back({t, success ? ProbeEvent::became_ready : ProbeEvent::became_unready});
            if (!success) trigger_readiness();
        }
    }
    void act(const Action& a, int t) {
        if (a.op == Op::start && !running) {
            running = true;
            started = !c.rules[0].present;
            container_start = t;
            for (int i = 0; i < 3; ++i) {
                w[i].on_hold = false;
                if (i == 0) w[i].over = deleted;
                w[i].result = i == 2 ? 1 : i == 1 ? 0 : -1;
            }
        } else if (a.op == Op::stop && running) {
            running = started = false;
            for (Worker& x : w) {
                x.busy_until = -1;
                if (x.buffered_trigger && c.restarts_ticker) {
                    x.origin = t;
                    x.buffered_tick = false;
                }
                x.buffered_trigger = false;
                x.result = 0;
            }
        } else if (a.op == Op::answers) {
            meets = a;
        } else if (a.op == Op::sync) {
            trigger_readiness();
        } else if (a.op == Op::remove) {
            deleted = true;
            for (const int i : {0, 2}) {
                w[i].over = true;
                w[i].busy_until = -1;
            }
        }
    }
    void begin(int i, int t) {
        const bool gated = i != 0 && c.rules[0].present && !started;
        if (!running || w[i].on_hold || w[i].over || gated) return;
        if ((t - container_start) / units_per_second < c.rules[i].delay / units_per_second) return;
        const bool in_time = meets.takes[i] < c.rules[i].timeout;
        w[i].busy_until = t + (in_time ? meets.takes[i] : c.rules[i].timeout);
        w[i].busy_success = in_time && meets.success[i];
    }
    std::vector<Change> run() {
        for (int t = 0; t <= c.end; ++t) {
            for (const int i : {0, 2, 1})
                if (c.rules[i].present && w[i].busy_until == t) result_of(i, t);
            for (auto a = actions.find(t); a != actions.end() && a->first == t; ++a) act(a->second, t);
            for (int i = 0; i < 3; ++i) {
                if (!c.rules[i].present) continue;
                Worker& x = w[i];
                if (t >= x.origin && (t - x.origin) % c.rules[i].period == 0) x.buffered_tick = true;
                if (x.busy_until >= 0) continue;
                if (x.buffered_trigger) {
                    if (c.restarts_ticker) x.origin = t;
                    x.buffered_trigger = x.buffered_tick = false;
                    begin(i, t);
                } else if (x.buffered_tick) {
                    x.buffered_tick = false;
                    begin(i, t);
                }
            }
        }
        return seen;
    }
};

}  // namespace naive

constexpr Tick unit{ticks_per_second / naive::units_per_second};

ProbeRule rule_of(const naive::Rule& r) {
    return {unit * r.delay, unit * r.period, unit * r.timeout, r.successes, r.failures};
}

std::vector<naive::Change> in_closed_form(const naive::Case& c) {
    ContainerProbeRules rules;
    rules.startup = rule_of(c.rules[0]);
    rules.readiness = rule_of(c.rules[1]);
    rules.liveness = rule_of(c.rules[2]);
    rules.has_startup = c.rules[0].present;
    rules.has_readiness = c.rules[1].present;
    rules.has_liveness = c.rules[2].present;
    rules.trigger_restarts_ticker = c.restarts_ticker;
    ContainerProbes probes;
    probes.start(Tick{});
    const ProbeAnswer refused{false, unit};
    probes.set_answers(rules, Tick{}, refused, refused, refused);
    std::multimap<int, naive::Action> actions = c.script;
    std::vector<naive::Change> seen;
    const auto changes_until = [&](Tick t) {
        for (Tick next = probes.next_change(rules); next <= t; next = probes.next_change(rules)) {
            const int at = static_cast<int>(next.count / unit.count);
            const ProbeEvent event = probes.step(rules);
            seen.push_back({at, event});
            if (event == ProbeEvent::startup_failed || event == ProbeEvent::liveness_failed) {
                actions.insert({at + c.kill_takes, {naive::Op::stop, {}, {}}});
                actions.insert({at + c.kill_takes + c.restart_takes, {naive::Op::start, {}, {}}});
            }
        }
    };
    const auto next_action = [&] { return actions.empty() ? c.end + 1 : actions.begin()->first; };
    for (;;) {
        const Tick next = probes.next_change(rules);
        if (next_action() > c.end && next > unit * c.end) return seen;
        if (next <= unit * next_action()) {
            changes_until(next);
            continue;
        }
        const naive::Action a = actions.begin()->second;
        const Tick t = unit * next_action();
        actions.erase(actions.begin());
        if (a.op == naive::Op::start && !probes.running())
            probes.container_started(rules, t);
        else if (a.op == naive::Op::stop && probes.running())
            probes.container_stopped(rules, t);
        else if (a.op == naive::Op::answers)
            probes.set_answers(rules, t, {a.success[0], unit * a.takes[0]}, {a.success[1], unit * a.takes[1]},
                               {a.success[2], unit * a.takes[2]});
        else if (a.op == naive::Op::sync)
            probes.sync(rules, t);
        else if (a.op == naive::Op::remove)
            probes.pod_deleted(rules, t);
    }
}

naive::Case random_case(std::mt19937& random) {
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    constexpr int second = naive::units_per_second;
    naive::Case c;
    for (naive::Rule& r : c.rules) {
        r.present = below(4) != 0;
        r.delay = below(2) ? 0 : second * below(30);
        r.period = second * (1 + below(12));
        r.timeout = 1 + below(below(3) == 0 ? 3 * r.period : 8);
        r.failures = 1 + below(5);
        r.successes = 1;
    }
    c.rules[1].successes = 1 + below(3);
    c.restarts_ticker = below(2) == 0;
    c.kill_takes = 1 + below(60);
    c.restart_takes = 1 + below(90);
    c.end = 200 + below(2000);
    c.script.insert({below(80), {naive::Op::start, {}, {}}});
    for (int i = 1 + below(12); i > 0; --i) {
        naive::Action a{naive::Op::answers, {}, {}};
        for (int k = 0; k < 3; ++k) {
            a.success[k] = below(3) != 0;
            a.takes[k] = 1 + below(below(3) == 0 ? 2 * c.rules[k].timeout : 4);
        }
        c.script.insert({below(c.end), a});
    }
    for (int i = below(6); i > 0; --i) c.script.insert({below(c.end), {naive::Op::sync, {}, {}}});
    if (below(3) == 0) {
        const int exit = below(c.end);
        c.script.insert({exit, {naive::Op::stop, {}, {}}});
        c.script.insert({exit + 1 + below(200), {naive::Op::start, {}, {}}});
    }
    if (below(3) == 0) c.script.insert({below(c.end), {naive::Op::remove, {}, {}}});
    return c;
}

ContainerProbeRules only_liveness(Tick delay) {
    ContainerProbeRules rules;
    rules.has_liveness = true;
    rules.liveness.initial_delay = delay;
    return rules;
}

constexpr ProbeAnswer refused{false, milliseconds(1)};
constexpr ProbeAnswer good{true, milliseconds(2)};

}  // namespace

TEST_CASE("probes: the closed form tells what a tick-by-tick kubelet sees") {
    std::mt19937 random(20260820);
    std::size_t changes = 0;
    for (int i = 0; i < 6000; ++i) {
        const naive::Case c = random_case(random);
        const std::vector<naive::Change> expected = naive::Simulation(c).run();
        const std::vector<naive::Change> seen = in_closed_form(c);
        changes += expected.size();
        if (seen == expected) continue;
        INFO("case " << i);
        for (const auto& e : expected) UNSCOPED_INFO("expected " << e.at << " " << static_cast<int>(e.event));
        for (const auto& e : seen) UNSCOPED_INFO("seen     " << e.at << " " << static_cast<int>(e.event));
        REQUIRE(seen == expected);
    }
    CHECK(changes > 20'000);  // the cases do something
}

TEST_CASE("probes: a liveness kill comes (k - 1) periods after the first effective tick") {
    // Worker at 0, container at 4 s: 30 s of initial delay end at 34 s, ticks are at 40, 50 and 60 s.
    const ContainerProbeRules rules = only_liveness(seconds(30));
    ContainerProbes probes;
    probes.start(Tick{});
    probes.set_answers(rules, Tick{}, refused, refused, refused);
    probes.container_started(rules, seconds(4));
    CHECK(probes.ready(rules));  // no readiness probe: ready as soon as it runs
    REQUIRE(probes.next_change(rules) == seconds(60) + milliseconds(1));
    CHECK(probes.step(rules) == ProbeEvent::liveness_failed);
    CHECK(probes.next_change(rules) == never);  // on hold until there is a new container
    // The grid stays: a container from 65 s on is judged at 100, 110 and 120 s.
    probes.container_stopped(rules, seconds(62));
    probes.container_started(rules, seconds(65));
    CHECK(probes.next_change(rules) == seconds(120) + milliseconds(1));
}

TEST_CASE("probes: a startup probe holds the others back, and its success probes readiness at once") {
    ContainerProbeRules rules = only_liveness(Tick{});
    rules.has_startup = rules.has_readiness = true;
    rules.startup.failure_threshold = 60;
    ContainerProbes probes;
    probes.start(Tick{});
    probes.set_answers(rules, Tick{}, refused, refused, refused);
    probes.container_started(rules, seconds(3));
    CHECK(probes.next_change(rules) == seconds(600) + milliseconds(1));  // ticks 10, 20, ... 600 s
    probes.set_answers(rules, seconds(123), good, good, good);
    REQUIRE(probes.next_change(rules) == seconds(130) + milliseconds(2));
    CHECK(probes.step(rules) == ProbeEvent::started);
    CHECK_FALSE(probes.ready(rules));
    REQUIRE(probes.next_change(rules) == seconds(130) + milliseconds(4));
    CHECK(probes.step(rules) == ProbeEvent::became_ready);
    CHECK(probes.ready(rules));
    CHECK(probes.next_change(rules) == never);  // healthy: nothing more happens by itself
    // Newer kubelets tick from the trigger on: 130.002 + n * 10 s.
    probes.set_answers(rules, seconds(155), good, refused, good);
    CHECK(probes.next_change(rules) == seconds(180) + milliseconds(3));
}

TEST_CASE("probes: older kubelets leave the ticker where it was") {
    ContainerProbeRules rules;
    rules.has_readiness = true;
    rules.trigger_restarts_ticker = false;
    ContainerProbes probes;
    probes.start(Tick{});
    probes.set_answers(rules, Tick{}, good, good, good);
    probes.container_started(rules, seconds(12));
    probes.sync(rules, seconds(13));
    REQUIRE(probes.next_change(rules) == seconds(13) + milliseconds(2));
    CHECK(probes.step(rules) == ProbeEvent::became_ready);
    probes.set_answers(rules, seconds(15), good, refused, good);
    CHECK(probes.next_change(rules) == seconds(40) + milliseconds(1));  // 20, 30, 40
}

TEST_CASE("probes: an endpoint slower than the time-out fails at the time-out, and crowds the ticks") {
    // 12 s of time-out on a 10 s period: probes run back to back, 10, 22 and 34 s after the worker's start.
    ContainerProbeRules rules = only_liveness(Tick{});
    rules.liveness.timeout = seconds(12);
    ContainerProbes probes;
    probes.start(Tick{});
    const ProbeAnswer slow{true, seconds(40)};
    probes.set_answers(rules, Tick{}, slow, slow, slow);
    probes.container_started(rules, seconds(1));
    CHECK(probes.next_change(rules) == seconds(46));
}

TEST_CASE("probes: while the pod is being deleted only readiness is probed") {
    ContainerProbeRules rules = only_liveness(Tick{});
    rules.has_readiness = true;
    ContainerProbes probes;
    probes.start(Tick{});
    probes.set_answers(rules, Tick{}, good, good, good);
    probes.container_started(rules, seconds(1));
    REQUIRE(probes.step(rules) == ProbeEvent::became_ready);
    probes.pod_deleted(rules, seconds(20));
    probes.set_answers(rules, seconds(20), refused, refused, refused);
    REQUIRE(probes.next_change(rules) == seconds(40) + milliseconds(1));
    CHECK(probes.step(rules) == ProbeEvent::became_unready);
    CHECK(probes.next_change(rules) == never);
}

TEST_CASE("probes: a healthy container costs nothing, an answer that takes no time is known at once") {
    ContainerProbeRules rules = only_liveness(Tick{});
    ContainerProbes probes;
    probes.start(Tick{});
    probes.set_answers(rules, Tick{}, {true, {}}, {true, {}}, {true, {}});
    probes.container_started(rules, seconds(1));
    CHECK(probes.next_change(rules) == never);
    probes.set_answers(rules, seconds(86'400 * 300), {}, {}, {});  // a tick is due at this very moment
    REQUIRE(probes.next_change(rules) == seconds(86'400 * 300 + 20));
    CHECK(probes.step(rules) == ProbeEvent::liveness_failed);
}
