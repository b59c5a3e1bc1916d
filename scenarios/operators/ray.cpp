// KubeRay: the servers of a RayService's application, and vLLM over the pods of a RayCluster (ray.io/v1; Ray Serve 2.44 to
// 2.49, from general knowledge, not re-read, 2026-11).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "scenarios/commands/command_line.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

/// A key of a map of engine arguments as a flag: `tensor_parallel_size: 2`, `enforce_eager: true`.
void add_engine_flag(std::vector<std::string>& words, const Node& member) {
    std::string name = member.key;
    std::replace(name.begin(), name.end(), '_', '-');
    if (member.is_null()) return;
    if (member.kind == Node::Kind::boolean) words.push_back((member.boolean ? "--" : "--no-") + name);
    else if (!member.is_list() && !member.is_map()) words.insert(words.end(), {"--" + name, member.text});
    else words.insert(words.end(), {"--" + name, to_json(member).dump()});
}

/// An application of Ray Serve that runs vLLM.
struct Application {
    std::vector<std::string> words;      ///< the command line of one replica
    std::int64_t gpus = 1;               ///< that one takes
    const Node* deployment = nullptr;    ///< num_replicas, autoscaling_config; nullptr: one replica
};

/// `ray.serve.llm:build_openai_app` with one configuration.
std::optional<Application> llm_application(const Node& config) {
    Application out;
    const std::string id = config.text_at({"model_loading_config", "model_id"}), source = config.text_at({"model_loading_config", "model_source"});
    out.words = {"vllm", "serve", source.empty() ? id : source, "--served-model-name", id};
    if (const Node* engine = config.find("engine_kwargs"))
        for (const Node& member : engine->children) {
            if (member.key == "device" && member.text == "auto") continue;
            add_engine_flag(out.words, member);
            if (member.key == "tensor_parallel_size" || member.key == "pipeline_parallel_size") out.gpus *= std::max<std::int64_t>(member.integer, 1);
        }
    out.deployment = config.find("deployment_config");
    return out;
}

/// An application of Python code that is not known: its model is what the variable MODEL_ID of its runtime_env, or the
/// object's annotation, names. Empty: neither does.
std::optional<Application> own_application(const Derivation& d, const Node& application, std::int64_t gpus_on_worker) {
    const auto variable = [&](const char* name) {
        const Node* env = application.find("runtime_env");
        const Node* variables = env && env->is_map() ? env->find("env_vars") : nullptr;
        const Node* found = variables && variables->is_map() ? variables->find(name) : nullptr;
        return found ? scalar_text(*found) : "";
    };
    const std::string annotated = d.annotation("windtunnel.dev/model"), model = annotated.empty() ? variable("MODEL_ID") : annotated;
    if (model.empty()) return std::nullopt;
    Application out;
    out.words = {"vllm", "serve", model};
    std::int64_t shares = 0, stages = 1;
    for (const char* name : {"TENSOR_PARALLELISM", "TENSOR_PARALLEL_SIZE"}) shares = to_integer(variable(name)).value_or(shares);
    for (const char* name : {"PIPELINE_PARALLELISM", "PIPELINE_PARALLEL_SIZE"}) stages = to_integer(variable(name)).value_or(stages);
    if (shares < 1) shares = std::max<std::int64_t>(gpus_on_worker / std::max<std::int64_t>(stages, 1), 1);
    out.gpus = shares * std::max<std::int64_t>(stages, 1);
    out.words.insert(out.words.end(), {"--tensor-parallel-size", std::to_string(shares), "--pipeline-parallel-size", std::to_string(std::max<std::int64_t>(stages, 1))});
    const Node* deployments = application.find("deployments");
    if (deployments && !deployments->children.empty()) out.deployment = &deployments->children[0];
    return out;
}

/// How many replicas there are. `scaled`: between `least` and `most` by requests.
struct ServeReplicas {
    std::int64_t now = 1, least = 1, most = 1;
    double target = 2;  ///< target_ongoing_requests (its default)
    std::int64_t up_s = 30, down_s = 600;  ///< upscale_delay_s, downscale_delay_s (defaults)
    [[nodiscard]] bool scaled() const { return most != least; }
};

ServeReplicas replicas_of(const Node* deployment, Decoder& spec) {
    ServeReplicas out;
    if (!deployment) return out;
    const Node* count = deployment->find("num_replicas");
    if (count && count->kind == Node::Kind::integer) out.now = out.least = out.most = count->integer;
    if (count && count->is_text() && count->text == "auto") out.most = 100;  // what "auto" stands for
    const Node* scaling = deployment->find("autoscaling_config");
    if (!scaling || !scaling->is_map()) return out;
    Findings aside;  // their lines are those of the text
    Decoder config(*scaling, "autoscaling_config", spec.file(), aside);
    out.least = config.int32("min_replicas", 0).value_or(1);
    out.most = config.int32("max_replicas", 1).value_or(static_cast<std::int32_t>(std::max<std::int64_t>(out.most, 1)));
    out.now = config.int32("initial_replicas", 0).value_or(static_cast<std::int32_t>(out.least));
    if (out.most < out.least) config.error("max_replicas", "found " + std::to_string(out.most) + " below min_replicas " + std::to_string(out.least) + ", allowed: at least min_replicas");
    for (const char* key : {"target_ongoing_requests", "target_num_ongoing_requests_per_replica"})  // the older name
        if (const Node* target = config.take(key)) {
            if (target->number > 0) out.target = target->number;
            else config.error(key, "found " + target->text + ", allowed: a number above 0");
        }
    const auto delay = [&](const char* key, std::int64_t& seconds) {
        if (const Node* given = config.take(key)) seconds = static_cast<std::int64_t>(given->number);
    };
    delay("upscale_delay_s", out.up_s);
    delay("downscale_delay_s", out.down_s);
    config.unsupported({"upscaling_factor", "downscaling_factor", "upscale_smoothing_factor", "downscale_smoothing_factor", "smoothing_factor", "policy"}, "steps of its own sizes");
    config.quiet({"look_back_period_s", "metrics_interval_s", "downscale_to_zero_delay_s", "aggregation_function"});
    config.finish();
    for (const Problem& problem : aside.errors) spec.error("serveConfigV2", problem.path + ": " + problem.message);
    return out;
}

/// Serve's autoscaler as KEDA's trigger on the requests at the replicas and before them: as many replicas as they are
/// multiples of the target, once that has been so for its delay. Of the HPA only the 15 s between two looks remain.
void add_serve_autoscaler(Derivation& d, const std::string& deployment, const ServeReplicas& replicas) {
    Node out = d.object("keda.sh/v1alpha1", "ScaledObject", deployment);
    Node spec = make_map(d.root());
    put(map_at(spec, "scaleTargetRef"), "name", make_text(deployment, d.root()));
    put(spec, "pollingInterval", make_integer(1, d.root()));
    put(spec, "cooldownPeriod", make_integer(replicas.down_s, d.root()));
    put(spec, "minReplicaCount", make_integer(replicas.least, d.root()));
    put(spec, "maxReplicaCount", make_integer(replicas.most, d.root()));
    Node& behavior = map_at(map_at(map_at(spec, "advanced"), "horizontalPodAutoscalerConfig"), "behavior");
    for (const bool up : {true, false}) {
        Node& rules = map_at(behavior, up ? "scaleUp" : "scaleDown");
        put(rules, "stabilizationWindowSeconds", make_integer(std::min<std::int64_t>(up ? replicas.up_s : replicas.down_s, 3600), d.root()));
        put(rules, "tolerance", make_text("0", d.root()));
        Node any = make_map(d.root());
        put(any, "type", make_text("Pods", d.root()));
        put(any, "value", make_integer(replicas.most, d.root()));
        put(any, "periodSeconds", make_integer(1, d.root()));
        list_at(rules, "policies").children.push_back(std::move(any));
    }
    const std::string target = std::to_string(replicas.target);
    list_at(spec, "triggers").children.push_back(concurrency_trigger(d.root(), d.name(), target));
    put(out, "spec", std::move(spec));
    d.add(std::move(out));
}

/// A share of what a worker's container asks for, where several replicas run on one worker.
void divide_resources(Node& container, std::int64_t by) {
    Node& resources = map_at(container, "resources");
    for (const char* key : {"requests", "limits"}) {
        Node* amounts = resources.find(key);
        if (!amounts || !amounts->is_map()) continue;
        for (Node& amount : amounts->children) {
            const auto quantity = parse_quantity(scalar_text(amount));
            if (!quantity) continue;  // reported where the pod is read
            const std::string key_of = amount.key;
            amount = amount.key == "cpu" ? make_text(std::to_string(quantity->milli_ceil() / by) + "m", amount) : make_text(std::to_string(quantity->ceil() / by), amount);
            amount.key = key_of;
        }
    }
}

/// The pod of a group's template; its labels are added to `labels`.
Node pod_of(const Node& group, std::vector<std::pair<std::string, std::string>>& labels) {
    Node out = make_map(group);
    const Node* given = group.find("template");
    if (!given || !given->is_map()) return out;
    if (const Node* spec = given->find("spec"); spec && spec->is_map()) out = *spec;
    out.key.clear();
    const Node* metadata = given->find("metadata");
    const Node* its = metadata && metadata->is_map() ? metadata->find("labels") : nullptr;
    if (its && its->is_map())
        for (const Node& label : its->children) labels.emplace_back(label.key, scalar_text(label));
    return out;
}

bool starts_vllm(const Node& container) {
    for (const char* key : {"command", "args"})
        if (const Node* words = container.find(key))
            for (const Node& word : words->children)
                for (const char* mark : {"vllm serve", "vllm.entrypoints", "vllm"})
                    if (mark == std::string("vllm") ? word.text == mark : word.text.find(mark) != std::string::npos) return true;
    return false;
}

}  // namespace

void derive_ray_service(Derivation& d) {
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "serveConfigV2 and rayClusterConfig");
    Decoder spec = object.child("spec");
    const auto advice = std::string(", allowed: one application ray.serve.llm:build_openai_app with one of llm_configs; one whose runtime_env.env_vars say MODEL_ID; the annotation windtunnel.dev/model; or a Deployment");
    const std::string text = spec.required_text("serveConfigV2");
    auto parsed = parse_documents(text, object.file());
    const Node* applications = parsed && parsed->size() == 1 ? parsed->front().root.find("applications") : nullptr;
    if (!applications || applications->children.size() != 1) return spec.error("serveConfigV2", "found text whose applications cannot be told" + advice);
    const Node& application = applications->children[0];

    Decoder cluster = spec.child("rayClusterConfig");
    const std::vector<Decoder> groups = cluster.children("workerGroupSpecs");
    if (groups.size() != 1) return cluster.error("workerGroupSpecs", "found " + std::to_string(groups.size()) + " groups of workers, allowed: one");
    Decoder group = groups[0];
    const std::string group_name = group.text("groupName").value_or("worker");
    std::vector<std::pair<std::string, std::string>> labels = {{"ray.io/cluster", d.name()}, {"ray.io/group", group_name}};
    Node pod = pod_of(group.node(), labels);
    Node& containers = list_at(pod, "containers");
    if (containers.children.empty()) return group.error("template", "has no container, allowed: one with nvidia.com/gpu");
    Node& container = containers.children[0];
    const std::int64_t has = gpus_of(container);

    const Node* arguments = application.find("args");
    const Node* configs = arguments ? arguments->find("llm_configs") : nullptr;
    const bool known = application.text_at({"import_path"}) == "ray.serve.llm:build_openai_app";
    std::optional<Application> runs;
    if (known && configs && configs->children.size() == 1) runs = llm_application(configs->children[0]);
    else if (!known) runs = own_application(d, application, has);
    if (!runs) return spec.error("serveConfigV2", "found the application " + application.text_at({"import_path"}) + ", whose replicas and GPUs only its Python code knows" + advice);
    if (!known) spec.warn("serveConfigV2", "runs " + application.text_at({"import_path"}) + ", Python code of its own, which is taken as a vLLM server of " + runs->words[2]);
    const ServeReplicas replicas = replicas_of(runs->deployment, spec);

    if (has < runs->gpus || has % runs->gpus != 0)
        return group.error("template", "found workers with " + std::to_string(has) + " GPUs for replicas of " + std::to_string(runs->gpus) + ", allowed: a multiple of what a replica takes (tensor_parallel_size x pipeline_parallel_size)");
    const std::int64_t on_worker = has / runs->gpus;
    if (on_worker > 1) divide_resources(container, on_worker);
    const auto most = group.int32("maxReplicas", 0);
    if (most && *most * on_worker < replicas.most)
        group.error("maxReplicas", "found " + std::to_string(*most) + " workers for " + std::to_string(replicas.most) + " replicas" + (on_worker > 1 ? ", of which each holds " + std::to_string(on_worker) : "") + ", allowed: enough for all");
    put(container, "command", make_texts(runs->words, spec.node()));
    erase_key(container, "args");
    spec.warn("", "is simulated as " + (replicas.scaled() ? std::to_string(replicas.least) + " to " + std::to_string(replicas.most) : std::to_string(replicas.now)) + " vLLM servers" +
                      (on_worker > 1 ? ", each with its share of a worker's GPUs, CPUs and memory" : "") + ": Ray's head, proxies and router are not" +
                      (replicas.scaled() ? "; Serve's autoscaler looks every 15 s at the requests of that moment instead of their mean over 30 s" : ""));
    const std::string name = d.name() + "-" + group_name;
    d.add_deployment(name, std::move(pod), labels, replicas.now);
    if (replicas.scaled()) add_serve_autoscaler(d, name, replicas);
}

/// A cluster whose head starts vLLM over its own GPUs and its workers': the production stack's ray mode.
void derive_ray_cluster(Derivation& d) {
    const Node* owners = d.root().find("metadata")->find("ownerReferences");
    if (owners && std::any_of(owners->children.begin(), owners->children.end(), [](const Node& owner) { return owner.text_at({"kind"}) == "RayService"; }))
        return;  // a RayService's own, which is read from there
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "headGroupSpec and workerGroupSpecs");
    Decoder spec = object.child("spec");
    Decoder head = spec.child("headGroupSpec");
    std::vector<std::pair<std::string, std::string>> labels = {{"ray.io/cluster", d.name()}};
    Node leader = pod_of(head.node(), labels);
    Node& containers = list_at(leader, "containers");
    const auto serves = std::find_if(containers.children.begin(), containers.children.end(), starts_vllm);
    if (serves == containers.children.end())
        return head.error("template", "found " + d.title() + " whose head starts no vLLM: what runs on it is submitted later, allowed: a head with vllm serve, a RayService, or the Deployment that you mean");
    const std::vector<Decoder> groups = spec.children("workerGroupSpecs");
    if (groups.size() > 1) return spec.error("workerGroupSpecs", "found " + std::to_string(groups.size()) + " groups of workers, allowed: one");
    std::int64_t workers = 0;
    Node worker = leader;
    if (!groups.empty()) {
        Decoder group = groups[0];
        workers = group.int32("replicas", 0).value_or(group.int32("minReplicas", 0).value_or(1)) * group.int32("numOfHosts", 1).value_or(1);
        worker = pod_of(group.node(), labels);
        Node& its = list_at(worker, "containers");
        const std::int64_t at_head = gpus_of(*serves), at_worker = its.children.empty() ? 0 : gpus_of(its.children[0]);
        if (workers > 0 && at_head != at_worker)
            return group.error("template", "found " + std::to_string(at_worker) + " GPUs on a worker and " + std::to_string(at_head) + " on the head, allowed: as many on each, over which vLLM spreads a server");
    }
    spec.warn("", "is simulated as one vLLM server over " + std::to_string(workers + 1) + " pods, which start and end together");
    if (workers == 0) return d.add_deployment(d.name(), std::move(leader), labels, 1);
    d.add_group(d.name(), std::move(leader), std::move(worker), workers + 1, labels, 1);
}

}  // namespace windtunnel
