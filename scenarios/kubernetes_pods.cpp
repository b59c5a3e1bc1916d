#include "scenarios/kubernetes_pods.hpp"

#include <algorithm>
#include <charconv>

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, TaintEffect>> taint_effects = {{"NoSchedule", TaintEffect::no_schedule},
                                                                        {"PreferNoSchedule", TaintEffect::prefer_no_schedule},
                                                                        {"NoExecute", TaintEffect::no_execute}};

const std::vector<std::pair<std::string, SelectorOperator>> operators = {
    {"In", SelectorOperator::in},         {"NotIn", SelectorOperator::not_in},          {"Exists", SelectorOperator::exists},
    {"DoesNotExist", SelectorOperator::does_not_exist}, {"Gt", SelectorOperator::greater_than}, {"Lt", SelectorOperator::less_than}};

bool is_gpu_resource(const std::string& name) {
    return name == "nvidia.com/gpu" || name.starts_with("nvidia.com/mig-") || name.starts_with("nvidia.com/gpu.") ||
           name == "amd.com/gpu";
}

std::optional<std::int64_t> to_integer(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::vector<SelectorExpression> decode_expressions(Decoder& map, const std::string& key) {
    std::vector<SelectorExpression> out;
    for (Decoder& item : map.children(key)) {
        SelectorExpression expression;
        expression.key = item.required_text("key");
        if (!item.has("operator")) item.missing("operator", "In, NotIn, Exists or DoesNotExist");
        expression.op = item.choice("operator", operators).value_or(SelectorOperator::exists);
        expression.values = item.texts("values");
        const bool takes_values = expression.op == SelectorOperator::in || expression.op == SelectorOperator::not_in;
        if (takes_values && expression.values.empty()) item.error("values", "is empty, allowed: at least one value");
        item.finish();
        out.push_back(std::move(expression));
    }
    return out;
}

std::optional<Probe> decode_probe(Decoder& container, const std::string& key, bool must_succeed_once) {
    if (!container.take(key)) return std::nullopt;
    Decoder probe = container.child(key);
    Probe out;
    out.where = probe.where();
    int actions = 0;
    for (const char* name : {"httpGet", "exec", "tcpSocket", "grpc"}) actions += probe.has(name) ? 1 : 0;
    if (actions != 1) probe.error("", "found " + std::to_string(actions) + " actions, allowed: exactly one of httpGet, exec, tcpSocket, grpc");
    const auto port = [](Decoder& action) -> std::string {
        const Node* node = action.take("port");
        if (!node) {
            action.missing("port", "a port number or the name of one");
            return "";
        }
        if (node->is_list() || node->is_map()) action.error("port", "found " + describe(*node) + ", allowed: a port number or the name of one");
        return node->text;
    };
    if (probe.has("httpGet")) {
        Decoder action = probe.child("httpGet");
        out.http_path = action.text("path").value_or("/");
        out.port = port(action);
        action.quiet({"scheme", "host", "httpHeaders"});
        action.finish();
    }
    if (probe.has("exec")) {
        out.action = ProbeAction::exec;
        Decoder action = probe.child("exec");
        out.command = action.texts("command");
        action.finish();
    }
    if (probe.has("tcpSocket")) {
        out.action = ProbeAction::tcp_socket;
        Decoder action = probe.child("tcpSocket");
        out.port = port(action);
        action.quiet({"host"});
        action.finish();
    }
    if (probe.has("grpc")) {
        out.action = ProbeAction::grpc;
        Decoder action = probe.child("grpc");
        out.port = port(action);
        action.quiet({"service"});
        action.finish();
    }
    probe.quiet({"httpGet", "exec", "tcpSocket", "grpc"});
    // 0 stands for the default, as the API server takes it.
    const auto at_least_one = [&](const char* name, std::int32_t fallback) {
        const auto value = probe.int32(name, 0).value_or(0);
        return value == 0 ? fallback : value;
    };
    out.initial_delay = seconds(probe.int32("initialDelaySeconds", 0).value_or(0));
    out.period = seconds(at_least_one("periodSeconds", 10));
    out.timeout = seconds(at_least_one("timeoutSeconds", 1));
    out.success_threshold = at_least_one("successThreshold", 1);
    out.failure_threshold = at_least_one("failureThreshold", 3);
    if (must_succeed_once && out.success_threshold != 1)
        probe.error("successThreshold", "found " + std::to_string(out.success_threshold) + ", allowed for this probe: 1");
    if (const auto grace = probe.int32("terminationGracePeriodSeconds", 1)) out.termination_grace = seconds(*grace);
    probe.finish();
    return out;
}

void decode_resource_list(Decoder list, bool limits, Resources& out) {
    for (const Node& member : list.node().children) {
        const std::string& name = member.key;
        const auto quantity = list.quantity(name);
        if (!quantity) continue;
        if (quantity->whole < 0) {
            list.error(name, "found " + describe(member) + ", allowed: at least 0");
            continue;
        }
        if (name == "cpu") {
            (limits ? out.cpu_limit_milli : out.cpu_request_milli) = quantity->milli_ceil();
        } else if (name == "memory") {
            (limits ? out.memory_limit_bytes : out.memory_request_bytes) = quantity->ceil();
            if (!quantity->is_integer() || (quantity->whole > 0 && quantity->whole < (1 << 20)))
                list.warn(name, "found " + describe(member) + ", less than 1 MiB; was Mi or Gi meant?");
        } else if (name == "ephemeral-storage") {
            out.ephemeral_storage_bytes = quantity->ceil();
        } else if (name.starts_with("hugepages-")) {
            list.note(name, "does not change the result");
        } else if (name.find('/') != std::string::npos) {
            if (!quantity->is_integer()) {
                list.error(name, "found " + describe(member) + ", allowed: a whole number (devices are not divided)");
                continue;
            }
            const auto [entry, added] = out.extended.try_emplace(name, quantity->whole);
            if (!added && entry->second != quantity->whole)
                list.error(name, "found a request and a limit of " + std::to_string(entry->second) + " and " +
                                     std::to_string(quantity->whole) + ", allowed: the same number in both");
        } else {
            list.error(name, "is no known resource" + did_you_mean(name, {"cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"}));
        }
    }
}

Resources decode_resources(Decoder resources) {
    Resources out;
    Resources requested;
    decode_resource_list(resources.child("requests"), false, out);
    requested.extended = out.extended;
    decode_resource_list(resources.child("limits"), true, out);
    Decoder limits = resources.child("limits");
    for (const auto& [name, amount] : requested.extended)
        if (amount > 0 && !limits.has(name))
            resources.error("requests", "names " + name + " without a limit, allowed: the same number in limits");
    if (!out.cpu_request_milli) out.cpu_request_milli = out.cpu_limit_milli;
    if (!out.memory_request_bytes) out.memory_request_bytes = out.memory_limit_bytes;
    const auto over = [&](const auto& request, const auto& limit, const char* name) {
        if (request && limit && *request > *limit)
            resources.error("requests", std::string("asks for more ") + name + " than the limit, allowed: at most the limit");
    };
    over(out.cpu_request_milli, out.cpu_limit_milli, "cpu");
    over(out.memory_request_bytes, out.memory_limit_bytes, "memory");
    resources.unsupported({"claims"}, "dynamic resource allocation; use nvidia.com/gpu limits");
    resources.finish();
    return out;
}

/// lifecycle.preStop as a time it takes.
std::optional<Tick> decode_pre_stop(Decoder& container) {
    Decoder lifecycle = container.child("lifecycle");
    std::optional<Tick> out;
    if (lifecycle.has("preStop")) {
        Decoder hook = lifecycle.child("preStop");
        if (hook.has("sleep")) {
            Decoder sleep = hook.child("sleep");
            if (const auto time = sleep.int32("seconds", 0)) out = seconds(*time);
            sleep.finish();
        } else if (hook.has("exec")) {
            Decoder exec = hook.child("exec");
            const std::string command = join(exec.texts("command"), " ");
            const std::size_t word = command.find("sleep ");
            std::size_t digits = word == std::string::npos ? 0 : word + 6;
            std::size_t end = digits;
            while (end < command.size() && command[end] >= '0' && command[end] <= '9') ++end;
            const auto time = to_integer(command.substr(digits, end - digits));
            if (word != std::string::npos && time && *time < 1'000'000) out = seconds(*time);
            else exec.error("command", "found \"" + command + "\", allowed: a command that sleeps (sleep 30), whose time is known");
            exec.finish();
        } else if (hook.has("httpGet")) {
            hook.error("httpGet", "would change the result and is not simulated: how long the call takes is unknown; write sleep.seconds");
        }
        hook.quiet({"sleep", "exec", "httpGet"});
        hook.finish();
    }
    lifecycle.harmless({"postStart", "stopSignal"});
    lifecycle.finish();
    return out;
}

std::vector<EnvironmentVariable> decode_environment(Decoder& container) {
    std::vector<EnvironmentVariable> out;
    for (Decoder& item : container.children("env")) {
        EnvironmentVariable variable;
        variable.name = item.required_text("name");
        variable.value = item.text("value").value_or("");
        if (item.has("valueFrom")) {
            variable.known = false;
            const Node& source = *item.take("valueFrom");
            variable.config_map = source.text_at({"configMapKeyRef", "name"});
            variable.config_key = source.text_at({"configMapKeyRef", "key"});
        }
        item.finish();
        out.push_back(std::move(variable));
    }
    return out;
}

/// The words of command or args, and their places. A word that is no text is an error, and is taken as it
/// was written, so that the words around it keep their meaning.
std::vector<std::string> decode_words(Decoder& container, const std::string& key, std::vector<WordPlace>& places) {
    (void)container.texts(key);
    std::vector<std::string> words;
    const Node* list = container.take(key);
    if (!list || !list->is_list()) return words;
    for (const Node& word : list->children) {
        places.push_back({{container.file(), word.line, word.column}, container.path_of(key) + "[" + std::to_string(words.size()) + "]"});
        words.push_back(word.text);
    }
    return words;
}

Container decode_container(Decoder& container) {
    Container out;
    out.where = container.where();
    out.path = container.path();
    out.name = container.required_text("name");
    out.image = container.text("image").value_or("");
    out.command = decode_words(container, "command", out.word_places);
    out.args = decode_words(container, "args", out.word_places);
    out.environment = decode_environment(container);
    for (const Decoder& source : container.children("envFrom"))
        if (const std::string name = source.node().text_at({"configMapRef", "name"}); !name.empty()) out.config_maps.push_back(name);
    out.resources = decode_resources(container.child("resources"));
    for (Decoder& port : container.children("ports")) {
        const auto number = port.int32("containerPort", 1, 65535);
        const auto name = port.text("name");
        if (name && number) out.ports[*name] = *number;
        port.quiet({"protocol", "hostPort", "hostIP"});
        port.finish();
    }
    out.startup_probe = decode_probe(container, "startupProbe", true);
    out.readiness_probe = decode_probe(container, "readinessProbe", false);
    out.liveness_probe = decode_probe(container, "livenessProbe", true);
    out.pre_stop_sleep = decode_pre_stop(container);
    out.restartable_init = container.text("restartPolicy").value_or("") == "Always";
    out.image_pull_policy = container.text("imagePullPolicy").value_or("");
    container.harmless({"volumeMounts", "volumeDevices", "securityContext", "workingDir", "stdin", "tty", "stdinOnce",
                        "terminationMessagePath", "terminationMessagePolicy"});
    container.quiet({"resizePolicy"});
    container.finish();
    return out;
}

void decode_affinity(Decoder affinity, PodTemplate& out) {
    const std::string required = "requiredDuringSchedulingIgnoredDuringExecution";
    const std::string preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    Decoder node = affinity.child("nodeAffinity");
    Decoder terms = node.child(required);
    for (Decoder& term : terms.children("nodeSelectorTerms")) {
        out.required_node_affinity.push_back({decode_expressions(term, "matchExpressions")});
        term.unsupported({"matchFields"}, "write matchExpressions over node labels");
        term.finish();
    }
    terms.finish();
    if (node.take(preferred)) node.warn(preferred, "preferences between nodes are not simulated: pods go to any node that their requirements allow");
    node.finish();
    Decoder anti = affinity.child("podAntiAffinity");
    const auto add_term = [&](Decoder& term, bool is_required) {
        PodAntiAffinityTerm entry;
        entry.selector = decode_label_selector(term.child("labelSelector"));
        entry.topology_key = term.required_text("topologyKey");
        entry.required = is_required;
        term.quiet({"namespaces", "namespaceSelector", "matchLabelKeys"});
        term.finish();
        out.pod_anti_affinity.push_back(std::move(entry));
    };
    for (Decoder& term : anti.children(required)) add_term(term, true);
    for (Decoder& weighted : anti.children(preferred)) {
        weighted.int32("weight", 1, 100);
        Decoder term = weighted.child("podAffinityTerm");
        add_term(term, false);
        weighted.finish();
    }
    anti.finish();
    affinity.unsupported({"podAffinity"}, "pods that must share a node or zone");
    affinity.finish();
}

}  // namespace

bool SelectorExpression::matches(const Labels& labels) const {
    const auto found = labels.find(key);
    const bool has = found != labels.end();
    const bool listed = has && std::find(values.begin(), values.end(), found->second) != values.end();
    switch (op) {
        case SelectorOperator::in: return listed;
        case SelectorOperator::not_in: return !listed;
        case SelectorOperator::exists: return has;
        case SelectorOperator::does_not_exist: return !has;
        case SelectorOperator::greater_than:
        case SelectorOperator::less_than: break;
    }
    const auto value = has ? to_integer(found->second) : std::nullopt;
    const auto bound = values.size() == 1 ? to_integer(values[0]) : std::nullopt;
    if (!value || !bound) return false;
    return op == SelectorOperator::greater_than ? *value > *bound : *value < *bound;
}

bool LabelSelector::matches(const Labels& labels) const {
    for (const auto& [key, value] : match_labels) {
        const auto found = labels.find(key);
        if (found == labels.end() || found->second != value) return false;
    }
    return std::all_of(match_expressions.begin(), match_expressions.end(),
                       [&](const SelectorExpression& e) { return e.matches(labels); });
}

bool Toleration::tolerates(const Taint& taint) const {
    if (effect && *effect != taint.effect) return false;
    if (key.empty()) return exists;
    return key == taint.key && (exists || value == taint.value);
}

std::int64_t Resources::gpus() const {
    std::int64_t sum = 0;
    for (const auto& [name, amount] : extended)
        if (is_gpu_resource(name)) sum += amount;
    return sum;
}

std::string Resources::gpu_resource() const {
    for (const auto& [name, amount] : extended)
        if (is_gpu_resource(name) && amount > 0) return name;
    return "";
}

namespace {
template <class Get>
std::int64_t sum_over(const PodTemplate& pod, Get get) {
    std::int64_t sum = 0;
    for (const Container& c : pod.containers) sum += get(c.resources);
    for (const Container& c : pod.init_containers)
        if (c.restartable_init) sum += get(c.resources);
    return sum;
}
}  // namespace

std::int64_t PodTemplate::cpu_request_milli() const {
    return sum_over(*this, [](const Resources& r) { return r.cpu_request_milli.value_or(0); });
}
std::int64_t PodTemplate::memory_request_bytes() const {
    return sum_over(*this, [](const Resources& r) { return r.memory_request_bytes.value_or(0); });
}
std::int64_t PodTemplate::gpus() const {
    return sum_over(*this, [](const Resources& r) { return r.gpus(); });
}
std::string PodTemplate::gpu_resource() const {
    for (const Container& c : containers)
        if (std::string name = c.resources.gpu_resource(); !name.empty()) return name;
    return "";
}

std::optional<TaintEffect> decode_taint_effect(Decoder& map, const std::string& key) { return map.choice(key, taint_effects); }

LabelSelector decode_label_selector(Decoder selector) {
    LabelSelector out;
    out.match_labels = selector.text_map("matchLabels");
    out.match_expressions = decode_expressions(selector, "matchExpressions");
    selector.finish();
    return out;
}

PodTemplate decode_pod_template(Decoder pod_template) {
    PodTemplate out;
    out.where = pod_template.where();
    Decoder metadata = pod_template.child("metadata");
    out.labels = metadata.text_map("labels");
    out.annotations = metadata.text_map("annotations");
    metadata.quiet({"name", "namespace", "creationTimestamp"});
    metadata.finish();
    if (!pod_template.has("spec")) pod_template.missing("spec", "the pod's spec");
    Decoder spec = pod_template.child("spec");
    for (Decoder& item : spec.children("containers")) out.containers.push_back(decode_container(item));
    for (Decoder& item : spec.children("initContainers")) out.init_containers.push_back(decode_container(item));
    if (pod_template.has("spec") && out.containers.empty() && !spec.has("containers")) spec.missing("containers", "at least one container");
    out.node_selector = spec.text_map("nodeSelector");
    decode_affinity(spec.child("affinity"), out);
    for (Decoder& item : spec.children("topologySpreadConstraints")) {
        TopologySpread spread;
        spread.max_skew = item.int32("maxSkew", 1).value_or(1);
        spread.topology_key = item.required_text("topologyKey");
        spread.do_not_schedule = item.text("whenUnsatisfiable").value_or("DoNotSchedule") == "DoNotSchedule";
        spread.selector = decode_label_selector(item.child("labelSelector"));
        spread.min_domains = item.int32("minDomains", 1).value_or(1);
        item.quiet({"matchLabelKeys", "nodeAffinityPolicy", "nodeTaintsPolicy"});
        item.finish();
        out.topology_spread.push_back(std::move(spread));
    }
    for (Decoder& item : spec.children("tolerations")) {
        Toleration toleration;
        toleration.key = item.text("key").value_or("");
        toleration.exists = item.choice<bool>("operator", {{"Equal", false}, {"Exists", true}}).value_or(false);
        toleration.value = item.text("value").value_or("");
        if (toleration.exists && !toleration.value.empty()) item.error("value", "found a value with operator Exists, allowed: none");
        if (toleration.key.empty() && !toleration.exists) item.error("", "has no key, allowed without one: operator Exists");
        toleration.effect = decode_taint_effect(item, "effect");
        if (const auto time = item.int32("tolerationSeconds", 0)) toleration.toleration_time = seconds(*time);
        item.finish();
        out.tolerations.push_back(std::move(toleration));
    }
    out.priority_class = spec.text("priorityClassName").value_or("");
    out.termination_grace = seconds(spec.int32("terminationGracePeriodSeconds", 0, 40'000'000).value_or(30));
    out.runtime_class = spec.text("runtimeClassName").value_or("");
    if (const auto policy = spec.text("restartPolicy"); policy && *policy != "Always")
        spec.error("restartPolicy", "found " + *policy + ", allowed here: Always");
    spec.unsupported({"nodeName"}, "pods bound to a node by name");
    spec.unsupported({"resourceClaims"}, "dynamic resource allocation; use nvidia.com/gpu limits");
    spec.unsupported({"readinessGates"}, "conditions set by other controllers");
    if (const auto scheduler = spec.text("schedulerName"); scheduler && *scheduler != "default-scheduler")
        spec.error("schedulerName", "would change the result and is not simulated: schedulers other than default-scheduler");
    spec.unsupported({"overhead"}, "pod overhead of runtime classes");
    spec.unsupported({"schedulingGates"}, "gates opened by other controllers");
    spec.unsupported({"resources"}, "pod-level resources; write them on the containers");
    spec.harmless({"volumes", "serviceAccountName", "serviceAccount", "automountServiceAccountToken", "imagePullSecrets",
                   "securityContext", "hostNetwork", "hostIPC", "hostPID", "shareProcessNamespace", "dnsPolicy", "dnsConfig",
                   "hostname", "subdomain", "hostAliases", "enableServiceLinks", "setHostnameAsFQDN", "preemptionPolicy",
                   "activeDeadlineSeconds", "os"});
    spec.finish();
    pod_template.quiet({"apiVersion", "kind"});
    pod_template.finish();
    return out;
}

}  // namespace windtunnel
