#include "reports/start_watch.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

// Places in Sum::on_path: pending, then of each stage its wait and itself, then what comes after the last.
std::size_t wait_of(std::size_t stage) { return 1 + 2 * stage; }
std::size_t run_of(std::size_t stage) { return 2 + 2 * stage; }

/// The layers of a workload's image, where it comes by them.
const std::vector<ImageLayer>& layers_of(const StartGraph& graph) {
    static const std::vector<ImageLayer> none;
    for (const StartStage& s : graph.stages)
        if (!s.layers.empty()) return s.layers;
    return none;
}

}  // namespace

StartWatch::StartWatch(const CompiledScenario& scenario, const Blueprint& blueprint)
    : m_scenario(scenario), m_blueprint(blueprint), m_pods(blueprint.pod_slots), m_sums(scenario.workloads.size()) {
    for (std::size_t w = 0; w < m_sums.size(); ++w) {
        const std::size_t stages = scenario.workloads[w].start.stages.size();
        m_sums[w].on_path.resize(2 + 2 * stages);
        m_sums[w].ran_s.resize(stages);
        m_sums[w].ran_longest_s.resize(stages);
        m_sums[w].runs.resize(stages);
        m_sums[w].layers.resize(layers_of(scenario.workloads[w].start).size());
    }
}

void StartWatch::pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
    Life& life = m_pods[p];
    if (pod.exists() && life.incarnation != pod.incarnation) {
        life = Life{};
        std::fill(std::begin(life.began), std::end(life.began), never);
        std::fill(std::begin(life.ended), std::end(life.ended), never);
        life.incarnation = pod.incarnation;
        life.created = now;
    }
    life.revision = pod.revision;
    if (pod.state == PodState::starting && life.bound == never) life.bound = now;
    if (pod.state != PodState::ready || life.was_ready) return;
    life.was_ready = true;
    if (now > Tick{}) note(life, pod, now);
}
void StartWatch::stage_began(std::uint32_t p, std::uint32_t stage, Tick now) {
    m_pods[p].began[stage] = now;
    m_pods[p].ended[stage] = never;
}
void StartWatch::stage_ended(std::uint32_t p, std::uint32_t stage, Tick now) { m_pods[p].ended[stage] = now; }

void StartWatch::layer_came(std::uint32_t p, bool unpacked, std::uint32_t layer, std::int64_t ticks) {
    const TemplatePlan& plan = m_blueprint.templates[m_pods[p].revision];
    Sum& sum = m_sums[plan.workload];
    for (std::uint32_t i = 0; i < plan.stage_count; ++i) {
        const StagePlan& stage = m_blueprint.stages[plan.first_stage + i];
        if (layer < stage.first_layer || layer - stage.first_layer >= stage.layer_count || layer - stage.first_layer >= sum.layers.size()) continue;
        LayerSum& one = sum.layers[layer - stage.first_layer];
        const double s = to_seconds(Tick{ticks});
        ++(unpacked ? one.unpacks : ticks > 0 ? one.downloads : one.found);
        (unpacked ? one.unpack_s : one.download_s) += s;
    }
}

/// From Ready back to the pod's creation: each step to the stage that ended last of those that were waited for.
void StartWatch::note(const Life& life, const Pod& pod, Tick ready) {
    const TemplatePlan& plan = m_blueprint.templates[life.revision];
    Sum& sum = m_sums[pod.workload];
    if (sum.runs.size() < plan.stage_count) return;
    ++sum.starts;
    const double total = to_seconds(ready - life.created);
    sum.total_s += total;
    sum.longest_s = std::max(sum.longest_s, total);
    const auto ran = [&](std::uint32_t i) { return life.ended[i] != never; };
    for (std::uint32_t i = 0; i < plan.stage_count; ++i) {
        if (!ran(i)) continue;
        const double took = to_seconds(life.ended[i] - life.began[i]);
        ++sum.runs[i];
        sum.ran_s[i] += took;
        sum.ran_longest_s[i] = std::max(sum.ran_longest_s[i], took);
    }
    std::uint32_t among = (1u << plan.stage_count) - 1;
    std::size_t after = sum.on_path.size() - 1;  // what the time up to `until` is counted as
    Tick until = ready;
    while (among != 0) {
        std::uint32_t last = plan.stage_count;
        for (std::uint32_t i = 0; i < plan.stage_count; ++i)
            if ((among >> i & 1) != 0 && ran(i) && life.ended[i] <= until && (last == plan.stage_count || life.ended[i] > life.ended[last]))
                last = i;
        if (last == plan.stage_count) {
            // Those that were left out because they had been kept need others in turn.
            std::uint32_t before = 0;
            for (std::uint32_t i = 0; i < plan.stage_count; ++i)
                if ((among >> i & 1) != 0) before |= m_blueprint.stages[plan.first_stage + i].after;
            if ((before & ~among) == 0) break;
            among = before;
            continue;
        }
        sum.on_path[after] += to_seconds(until - life.ended[last]);
        sum.on_path[run_of(last)] += to_seconds(life.ended[last] - life.began[last]);
        until = life.began[last];
        after = wait_of(last);
        among = m_blueprint.stages[plan.first_stage + last].after;
        if (last >= plan.container_stage && m_blueprint.stages[plan.first_stage + last].early == 0)
            among |= (1u << plan.container_stage) - 1;
    }
    if (life.bound != never) {
        sum.on_path[after] += to_seconds(until - life.bound);
        sum.on_path[0] += to_seconds(life.bound - life.created);
    }
}

std::vector<StartLog> StartWatch::finish() const {
    std::vector<StartLog> out;
    for (std::size_t w = 0; w < m_sums.size(); ++w) {
        const CompiledWorkload& workload = m_scenario.workloads[w];
        const Sum& sum = m_sums[w];
        if (workload.model.empty() && sum.starts == 0) continue;
        StartLog log;
        log.target = workload.target;
        log.starts = sum.starts;
        log.first_s = workload.start.total_s;
        log.again_s = workload.start.again_total_s;
        for (const std::size_t i : workload.start.critical) log.planned_path.push_back({workload.start.stages[i].name, workload.start.stages[i].median_s});
        const auto n = static_cast<double>(std::max<std::uint64_t>(sum.starts, 1));
        log.mean_s = sum.total_s / n;
        log.longest_s = sum.longest_s;
        const auto step = [&](std::string name, std::size_t place) {
            if (sum.on_path[place] > 0) log.path.push_back({std::move(name), sum.on_path[place] / n});
        };
        step("pending", 0);
        for (std::size_t i = 0; i < workload.start.stages.size(); ++i) {
            step("waits for " + workload.start.stages[i].name, wait_of(i));
            step(workload.start.stages[i].name, run_of(i));
            if (sum.starts == 0) continue;
            const auto runs = static_cast<double>(std::max<std::uint64_t>(sum.runs[i], 1));
            log.stages.push_back({workload.start.stages[i].name, sum.runs[i], sum.ran_s[i] / runs, sum.ran_longest_s[i]});
        }
        step("until Ready", sum.on_path.size() - 1);
        for (std::size_t l = 0; l < sum.layers.size(); ++l) {
            const ImageLayer& layer = layers_of(workload.start)[l];
            const LayerSum& s = sum.layers[l];
            const auto mean = [](double all, std::uint64_t of) { return of > 0 ? all / static_cast<double>(of) : 0; };
            log.layers.push_back({layer.name, layer.bytes / 1e9, s.downloads, s.found, s.unpacks, mean(s.download_s, s.downloads), mean(s.unpack_s, s.unpacks)});
        }
        out.push_back(std::move(log));
    }
    return out;
}

}  // namespace windtunnel
