#include "scenarios/search/knobs.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

namespace windtunnel {

namespace {

std::string title_of(const Node& object) {
    return object.text_at({"kind"}) + "/" + object.text_at({"metadata", "name"});
}

const Node* below(const Node* node, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) node = node != nullptr ? node->find(key) : nullptr;
    return node;
}

std::optional<double> number_of(const Node* node) {
    if (node == nullptr) return std::nullopt;
    double out = 0;
    const auto [end, error] = std::from_chars(node->text.data(), node->text.data() + node->text.size(), out);
    if (error != std::errc{} || end != node->text.data() + node->text.size()) return std::nullopt;
    return out;
}

/// The present value times these, whole where it is whole, from `least` on.
std::vector<double> around(double now, std::initializer_list<double> factors, double least,
                           double most = HUGE_VAL) {
    std::set<double> out{now};
    const bool whole = now == std::floor(now);
    for (const double f : factors) {
        const double v = whole && now * f >= 2 ? std::round(now * f)
                         : whole               ? std::max(1.0, std::round(now * f))
                                               : now * f;
        if (v >= least && v <= most) out.insert(v);
    }
    return {out.begin(), out.end()};
}

/// At most eight whole numbers between the two, closer together where they are small; with the present one.
std::vector<double> spread(double low, double high, double now) {
    std::set<double> out{low, high, now};
    const double ratio = std::max(1.25, std::pow(std::max(high, 1.0) / std::max(low, 1.0), 1.0 / 6));
    for (double v = std::max(low, 1.0); v <= high; v = std::max(v + 1, v * ratio)) out.insert(std::round(v));
    return {out.begin(), out.end()};
}

class Finder {
public:
    Finder(const Scenario& scenario, const std::vector<std::string>& families)
        : m_scenario(scenario), m_families(families.begin(), families.end()) {}

    std::vector<Dimension> find() {
        for (const Document& d : m_scenario.manifests.documents) {
            if (!d.made_from.empty()) continue;
            const std::string kind = d.root.text_at({"kind"});
            if (kind == "HorizontalPodAutoscaler") horizontal(d.root);
            if (kind == "ScaledObject") scaled(d.root);
            if (kind == "ClusterConfig") groups(d.root);
        }
        for (const WorkloadSpec& w : m_scenario.workloads)
            if (const WorkloadObject* o = m_scenario.target_of(w); o != nullptr && o->made_from.empty())
                workload(w, *o);
        pools();
        return std::move(m_out);
    }

private:
    [[nodiscard]] bool wants(const char* family) const { return m_families.contains(family); }

    void add(const std::string& path, const std::vector<double>& values, double now,
             const std::string& name = "") {
        Dimension d;
        d.name = name;
        d.paths = {path};
        for (const double v : values) {
            d.choices.push_back(d.choice_of(fmt::format("{:.6g}", v)));
            if (v != now) continue;
            d.present = d.choices.size() - 1;
            d.choices.back()
                .assignments.clear();  // the file stays as it is, where it leaves the field out too
        }
        if (d.choices.size() > 1) m_out.push_back(std::move(d));
    }
    /// The bounds that an autoscaler keeps its target in.
    void bounds(const std::string& title, const Node& object, const char* low_key, double low_default,
                const char* high_key, double high_default) {
        const double low = number_of(below(&object, {"spec", low_key})).value_or(low_default),
                     high = number_of(below(&object, {"spec", high_key})).value_or(high_default);
        if (wants("floor"))
            add(title + ":spec." + low_key,
                spread(std::min(low, low < 1 ? 0.0 : 1.0), std::min(high, std::max(4 * low, 16.0)), low),
                low);
        if (wants("ceiling"))
            add(title + ":spec." + high_key, around(high, {0.5, 0.75, 1.25, 1.5, 2}, std::max(low, 1.0)),
                high);
    }
    void window(const std::string& path, const Node* now, double usual) {
        if (!wants("window")) return;
        std::set<double> values{0, 60, 180, 300, 600, 900};
        values.insert(number_of(now).value_or(usual));
        add(path, {values.begin(), values.end()}, number_of(now).value_or(usual), "scale-down window");
    }
    void cool_down(const std::string& path, double now) { add(path, around(now, {0.2, 0.5, 2, 4}, 1), now); }
    void horizontal(const Node& object) {
        const std::string title = title_of(object);
        bounds(title, object, "minReplicas", 1, "maxReplicas", 1);
        const Node* metrics = below(&object, {"spec", "metrics"});
        for (std::size_t i = 0; wants("threshold") && metrics != nullptr && i < metrics->children.size(); ++i)
            for (const Node& source : metrics->children[i].children)
                for (const char* key : {"averageUtilization", "averageValue", "value"})
                    if (const auto now = number_of(below(&source, {"target", key})))
                        add(fmt::format("{}:spec.metrics[{}].{}.target.{}", title, i, source.key, key),
                            around(*now, {0.5, 0.7, 0.85, 1.2, 1.5, 2}, 1e-9,
                                   std::string_view(key) == "averageUtilization" ? 95 : HUGE_VAL),
                            *now);
        window(title + ":spec.behavior.scaleDown.stabilizationWindowSeconds",
               below(&object, {"spec", "behavior", "scaleDown", "stabilizationWindowSeconds"}), 300);
    }
    void scaled(const Node& object) {
        const std::string title = title_of(object);
        bounds(title, object, "minReplicaCount", 0, "maxReplicaCount", 100);
        const Node* triggers = below(&object, {"spec", "triggers"});
        for (std::size_t i = 0; triggers != nullptr && i < triggers->children.size(); ++i) {
            const Node* metadata = triggers->children[i].find("metadata");
            const std::string path = fmt::format("{}:spec.triggers[{}].metadata.", title, i);
            for (const char* key : {"threshold", "value", "queueLength", "lagThreshold", "listLength",
                                    "targetQueueLength", "messageCount", "targetValue"})
                if (const auto now = number_of(below(metadata, {key})); now && *now > 0 && wants("threshold"))
                    add(path + key, around(*now, {0.5, 0.7, 0.85, 1.2, 1.5, 2}, 1e-9), *now);
            if (const auto now = number_of(below(metadata, {"desiredReplicas"})); now && wants("schedule"))
                add(path + "desiredReplicas", around(*now, {0.5, 0.75, 1.25, 1.5, 2}, 1), *now);
        }
        const std::string behavior =
            "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds";
        window(title + ":" + behavior,
               below(&object, {"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown",
                               "stabilizationWindowSeconds"}),
               300);
        if (wants("window") && number_of(below(&object, {"spec", "minReplicaCount"})).value_or(0) == 0)
            cool_down(title + ":spec.cooldownPeriod",
                      number_of(below(&object, {"spec", "cooldownPeriod"})).value_or(300));
    }
    [[nodiscard]] bool is_scaled(const ObjectMeta& meta) const {
        const Manifests& m = m_scenario.manifests;
        const auto same = [&](const ScaleTarget& t) { return t.kind == meta.kind && t.name == meta.name; };
        return std::any_of(m.horizontal_pod_autoscalers.begin(), m.horizontal_pod_autoscalers.end(),
                           [&](const auto& a) { return same(a.target); }) ||
               std::any_of(m.scaled_objects.begin(), m.scaled_objects.end(),
                           [&](const auto& a) { return same(a.target); });
    }
    void workload(const WorkloadSpec& spec, const WorkloadObject& object) {
        const std::string title = object.meta.title();
        if (wants("replicas") && !is_scaled(object.meta)) {
            const double now = spec.initial_replicas.value_or(object.replicas);
            // Where the scenario says how many it starts with, that is what decides.
            add(spec.initial_replicas ? spec.path + ".initial_replicas" : title + ":spec.replicas",
                spread(1, std::max(2 * now + 2, 8.0), now), now, "replicas of " + object.meta.name);
        }
        const ModelServer* server = m_scenario.server_of(spec);
        if (server == nullptr || spec.server) return;
        if (wants("batch")) {
            Dimension d;
            d.paths = {title + ":--max-num-seqs"};
            for (const char* v : {"16", "32", "64", "128", "256", "512"}) d.choices.push_back(d.choice_of(v));
            m_out.push_back(std::move(d));
        }
        if (wants("tp")) {
            Dimension d;
            d.name = "tensor parallel";
            const std::string container = object.pod.containers[object.server_container].name;
            for (const int tp : {1, 2, 4, 8})
                d.choices.push_back(
                    {std::to_string(tp),
                     {fmt::format("{}:--tensor-parallel-size={}", title, tp),
                      fmt::format(
                          "{}:spec.template.spec.containers[{}].resources.limits[\"nvidia.com/gpu\"]={}",
                          title, container, tp)},
                     static_cast<double>(tp)});
            m_out.push_back(std::move(d));
        }
    }
    /// The smallest type of each GPU with at least as many of them, the present one among them.
    void instance_types(const std::string& path, const std::string& now) {
        static const std::map<CloudKind, std::string> clouds = {
            {CloudKind::aws, "aws"}, {CloudKind::gcp, "gcp"}, {CloudKind::azure, "azure"}, {CloudKind::oci, "oci"}};
        const auto cloud = clouds.find(m_scenario.cluster.cloud);
        const auto present = cloud == clouds.end() ? Result<const InstanceType*>(Problem{})
                                                   : get_instance_type(cloud->second, now);
        if (!present || (*present)->gpu_count == 0) return;
        std::map<std::string, const InstanceType*> smallest;
        for (const InstanceType& t : all_instance_types()) {
            const auto price = t.prices.find(m_scenario.cluster.region);
            if (t.cloud != cloud->second || t.gpu_count < (*present)->gpu_count || t.gpu.empty() ||
                price == t.prices.end() || price->second.on_demand == 0)
                continue;
            const InstanceType*& known = smallest[t.gpu];
            if (known == nullptr ||
                price->second.on_demand < known->prices.at(m_scenario.cluster.region).on_demand)
                known = &t;
        }
        std::set<std::string> names{now};
        for (const auto& [gpu, type] : smallest) names.insert(type->name);
        Dimension d;
        d.paths = {path};
        for (const std::string& name : names) d.choices.push_back(d.choice_of(name));
        if (d.choices.size() > 1) m_out.push_back(std::move(d));
    }
    void groups(const Node& object) {
        for (const char* list : {"managedNodeGroups", "nodeGroups"}) {
            const Node* all = object.find(list);
            for (std::size_t i = 0; all != nullptr && i < all->children.size(); ++i) {
                const std::string path = fmt::format("{}:{}[{}].", title_of(object), list, i),
                                  name = all->children[i].text_at({"name"});
                if (const std::string type = all->children[i].text_at({"instanceType"});
                    wants("gpu") && !type.empty())
                    instance_types(path + "instanceType", type);
                if (wants("spot") && std::string_view(list) == "managedNodeGroups")
                    switch_of(path + "spot", "spot " + name, "true", "false");
            }
        }
    }
    void pools() {
        const Node* list = below(&m_scenario.document.root, {"cluster", "pools"});
        for (std::size_t i = 0; list != nullptr && i < list->children.size(); ++i) {
            const std::string path = fmt::format("cluster.pools[{}].", i);
            if (const std::string type = list->children[i].text_at({"instance_type"});
                wants("gpu") && !type.empty())
                instance_types(path + "instance_type", type);
            if (wants("spot"))
                switch_of(path + "capacity_type", "capacity of " + list->children[i].text_at({"name"}),
                          "spot", "on-demand");
        }
    }
    void switch_of(const std::string& path, const std::string& name, const char* on, const char* off) {
        Dimension d;
        d.name = name;
        d.paths = {path};
        d.choices = {d.choice_of(off), d.choice_of(on)};
        m_out.push_back(std::move(d));
    }

    const Scenario& m_scenario;
    const std::set<std::string> m_families;
    std::vector<Dimension> m_out;
};

}  // namespace

const std::vector<std::string>& knob_families() {
    static const std::vector<std::string> names = {"replicas", "floor", "ceiling", "threshold", "window",
                                                   "schedule", "batch", "tp",      "gpu",       "spot"};
    return names;
}

const std::vector<std::string>& usual_knobs() {
    static const std::vector<std::string> names = {"replicas", "floor", "threshold", "window", "schedule"};
    return names;
}

std::vector<Dimension> knobs_of(const Scenario& scenario, const std::vector<std::string>& families) {
    return Finder(scenario, families).find();
}

}  // namespace windtunnel
