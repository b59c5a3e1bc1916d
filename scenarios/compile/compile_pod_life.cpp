#include "scenarios/compile/compile_pod_life.hpp"

#include "models/server_health.hpp"

#include <algorithm>
#include <cstdlib>

namespace windtunnel {

namespace {

/// What a probe looks at. A command that calls the server is an HTTP probe of the URL in it; any other looks
/// at nothing of the server.
HealthEndpoint endpoint_of(const Probe& probe) {
    switch (probe.action) {
        case ProbeAction::http_get:
            return health_endpoint_of(probe.http_path);
        case ProbeAction::tcp_socket:
            return HealthEndpoint::port;
        case ProbeAction::grpc:
            return HealthEndpoint::health;
        case ProbeAction::exec:
            break;
    }
    for (const std::string& word : probe.command) {
        const std::size_t url = word.find("http://");
        const std::size_t host = url != std::string::npos ? url + 7 : word.find("localhost:");
        if (host == std::string::npos) continue;
        const std::size_t path = word.find('/', host);
        if (path == std::string::npos) return HealthEndpoint::health;
        return health_endpoint_of(
            std::string_view(word).substr(path, word.find_first_of(" \"'|;)", path) - path));
    }
    return HealthEndpoint::always;
}

/// What a probe's inference asks for: the max_tokens in its command, else the completions API's own default of
/// 16 (OpenAI's API reference, completions, 2025).
std::int64_t tokens_asked_by(const Probe& probe) {
    for (const std::string& word : probe.command) {
        const std::size_t key = word.find("max_tokens");
        const std::size_t digits = key == std::string::npos ? key : word.find_first_of("0123456789", key);
        if (digits != std::string::npos) return std::clamp(std::atoll(word.c_str() + digits), 1LL, 100'000LL);
    }
    return 16;
}

HealthFamily family_of(const WorkloadObject& workload) {
    const auto declared = workload.pod.annotations.find(early_health_annotation);
    if (declared != workload.pod.annotations.end() && declared->second == "true")
        return HealthFamily::early_health;
    const std::string engine = workload.server ? workload.server->engine : "vllm";
    if (engine == "tgi") return HealthFamily::tgi;
    return engine == "triton" ? HealthFamily::triton : HealthFamily::vllm;
}

/// imagePullPolicy, or what the API server puts there: Always for :latest and for no tag.
bool always_pulls(const Container& c) {
    if (!c.image_pull_policy.empty()) return c.image_pull_policy == "Always";
    if (c.image.find('@') != std::string::npos) return false;
    const std::size_t colon = c.image.rfind(':'), slash = c.image.rfind('/');
    const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
    return !tagged || c.image.substr(colon + 1) == "latest";
}

}  // namespace

void compile_inference_probes(const ServerParts& server, TemplatePlan& plan) {
    const ProbePlan& probes = plan.probes;
    if (!probes.infers[0] && !probes.infers[1] && !probes.infers[2]) return;
    // [estimate] A short prompt's prefill, then a token a step in a batch that is half full.
    const std::size_t prompt = std::min<std::size_t>(16, server.cost.mixed_step.size() - 1);
    const std::size_t batch = std::max<std::size_t>(1, (server.cost.decode_step.size() - 1) / 2);
    plan.probes.inference_takes =
        server.cost.mixed_step[prompt] + server.cost.decode_step[batch] * (plan.probes.inference_tokens - 1);
}

void compile_pod_life(const WorkloadObject& workload, Tick endpoint_delay, TemplatePlan& plan) {
    plan.grace = workload.pod.termination_grace;
    plan.lost_toleration = workload.pod.lost_toleration();
    plan.restart_policy = workload.pod.restart_policy;
    plan.endpoint_delay = endpoint_delay;
    const HealthFamily family = family_of(workload);
    plan.drains = sigterm_behaviour(family) == SigtermBehaviour::drain ? 1 : 0;
    // [estimate] A server that has nothing to finish needs about a second from SIGTERM to its exit.
    plan.exit_takes = seconds(1);
    if (workload.server_container >= workload.pod.containers.size()) return;
    const Container& c = workload.pod.containers[workload.server_container];
    if (always_pulls(c)) plan.pull = pull_always;
    if (c.pre_stop) {
        plan.pre_stop = c.pre_stop->time.value_or(Tick{});
        plan.pre_stop_drains = c.pre_stop->waits_until_idle ? 1 : 0;
    }
    ContainerProbeRules& rules = plan.probes.rules;
    std::int64_t tokens = 0;
    const auto read = [&](const std::optional<Probe>& probe, int place, ProbeRule& rule, bool& has) {
        has = probe.has_value();
        if (!has) return;
        rule = {probe->initial_delay, probe->period, probe->timeout, probe->success_threshold,
                probe->failure_threshold};
        if (endpoint_of(*probe) == HealthEndpoint::inference) {
            plan.probes.infers[place] = 1;
            tokens = std::max(tokens, tokens_asked_by(*probe));
        }
        plan.probes.early[place] =
            health_answer(family, endpoint_of(*probe), ServerCondition::loading) == HealthAnswer::good ? 1
                                                                                                       : 0;
    };
    read(c.startup_probe, 0, rules.startup, rules.has_startup);
    read(c.readiness_probe, 1, rules.readiness, rules.has_readiness);
    read(c.liveness_probe, 2, rules.liveness, rules.has_liveness);
    plan.probes.inference_tokens = std::max<std::int64_t>(tokens, 1);
    if (c.startup_probe)
        plan.probes.kill_grace_startup = c.startup_probe->termination_grace.value_or(Tick{-1});
    if (c.liveness_probe)
        plan.probes.kill_grace_liveness = c.liveness_probe->termination_grace.value_or(Tick{-1});
}

}  // namespace windtunnel
