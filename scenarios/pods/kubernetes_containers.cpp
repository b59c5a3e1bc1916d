// Containers: what they ask for, how they are probed, what they run at their start and end.
#include "scenarios/pods/kubernetes_pods.hpp"

#include <algorithm>
#include <regex>
#include <set>

namespace windtunnel {
namespace {

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
        if (node->kind == Node::Kind::integer && (node->integer < 1 || node->integer > 65535)) action.error("port", "found " + node->text + ", allowed: 1 to 65535");
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
    if (probe.has("terminationGracePeriodSeconds") && key == "readinessProbe")
        probe.error("terminationGracePeriodSeconds", "stands in a readinessProbe, which kills nothing, allowed: in liveness and startup probes");
    if (must_succeed_once && out.success_threshold != 1)
        probe.error("successThreshold", "found " + std::to_string(out.success_threshold) + ", allowed for this probe: 1");
    if (const auto grace = probe.int32("terminationGracePeriodSeconds", 1)) out.termination_grace = seconds(*grace);
    probe.finish();
    return out;
}

bool is_shell_word_end(char c) { return c == ' ' || c == ';' || c == '&' || c == '|' || c == '\n' || c == '\t' || c == ')'; }

/// The time that the `sleep N` commands of a script take together, or empty when there is none.
std::optional<Tick> slept(const std::string& script) {
    std::optional<Tick> sum;
    for (std::size_t at = script.find("sleep"); at != std::string::npos; at = script.find("sleep", at + 5)) {
        if (at > 0 && !is_shell_word_end(script[at - 1]) && script[at - 1] != '/' && script[at - 1] != '(') continue;
        std::size_t from = at + 5;
        if (from >= script.size() || (script[from] != ' ' && script[from] != '\t')) continue;
        while (from < script.size() && (script[from] == ' ' || script[from] == '\t')) ++from;
        std::size_t end = from;
        while (end < script.size() && !is_shell_word_end(script[end])) ++end;
        std::string word = script.substr(from, end - from);
        std::int64_t unit = 1;
        if (!word.empty() && (word.back() == 's' || word.back() == 'm' || word.back() == 'h')) {
            unit = word.back() == 'm' ? 60 : word.back() == 'h' ? 3600 : 1;
            word.pop_back();
        }
        const Node number = resolve_plain_scalar(word);
        if ((number.kind != Node::Kind::integer && number.kind != Node::Kind::number) || number.number < 0 || number.number * static_cast<double>(unit) > 1e6) return std::nullopt;
        sum = sum.value_or(Tick{}) + from_seconds(number.number * static_cast<double>(unit));
    }
    return sum;
}

bool contains_any(const std::string& text, std::initializer_list<const char*> parts) {
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return text.find(part) != std::string::npos; });
}

/// A hook of lifecycle and the time it takes. Loops are not run: one that asks for the server's gauges waits
/// until the server is idle, any other has no known time.
std::optional<LifecycleHook> decode_hook(Decoder& lifecycle, const std::string& key) {
    if (!lifecycle.take(key)) return std::nullopt;
    Decoder hook = lifecycle.child(key);
    LifecycleHook out;
    out.where = hook.where();
    int actions = 0;
    for (const char* name : {"sleep", "exec", "httpGet", "tcpSocket"}) actions += hook.has(name) ? 1 : 0;
    if (actions != 1) hook.error("", "found " + std::to_string(actions) + " actions, allowed: exactly one of sleep, exec, httpGet");
    if (hook.has("sleep")) {
        Decoder sleep = hook.child("sleep");
        if (!sleep.has("seconds")) sleep.missing("seconds", "how long");
        if (const auto time = sleep.int32("seconds", 0)) out.time = seconds(*time);
        sleep.finish();
    }
    if (hook.has("exec")) {
        out.action = LifecycleHook::Action::exec;
        Decoder exec = hook.child("exec");
        out.command = exec.texts("command");
        exec.finish();
        const std::string script = join(out.command, " ");
        const bool loops = contains_any(script, {"while ", "until ", "for "});
        out.waits_until_idle = loops && contains_any(script, {"num_requests_running", "num_requests_waiting", "tgi_batch_current_size", "nv_inference_pending"});
        if (!loops) out.time = slept(script);
        out.calls_only = !loops && !out.time && contains_any(script, {"curl", "wget", "kill ", "nginx -s", "/bin/true"});
    }
    if (hook.has("httpGet")) {
        out.action = LifecycleHook::Action::http_get;
        out.calls_only = true;
        Decoder get = hook.child("httpGet");
        out.http_path = get.text("path").value_or("/");
        const Node* port = get.take("port");
        if (port) out.port = port->text;
        else get.missing("port", "a port number or the name of one");
        get.quiet({"scheme", "host", "httpHeaders"});
        get.finish();
    }
    if (hook.has("tcpSocket")) {
        out.action = LifecycleHook::Action::tcp_socket;
        hook.error("tcpSocket", "is no action of a lifecycle hook any more, allowed: sleep, exec or httpGet");
    }
    if (!out.time && key == "postStart") hook.note("", "does not change the result: it is taken to return at once");
    hook.quiet({"sleep", "exec", "httpGet", "tcpSocket"});
    hook.finish();
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
            if (!variable.value.empty()) item.error("valueFrom", "stands beside value, allowed: one of them");
            const Node& source = *item.take("valueFrom");
            variable.config_map = source.text_at({"configMapKeyRef", "name"});
            variable.config_key = source.text_at({"configMapKeyRef", "key"});
            Decoder from = item.child("valueFrom");
            from.quiet({"configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"});
            from.finish();
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

/// HOST[:PORT]/NAME[:TAG][@ALGORITHM:DIGEST], as container runtimes read it (the grammar of distribution's reference
/// package, from general knowledge, not re-read, 2026-11).
bool is_image_reference(const std::string& text) {
    static const std::regex grammar("(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
                                    "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
                                    "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9]+:[A-Fa-f0-9]+)?");
    return std::regex_match(text, grammar);
}

}  // namespace

bool is_gpu_resource(const std::string& name) {
    return name == "nvidia.com/gpu" || name.starts_with("nvidia.com/mig-") || name.starts_with("nvidia.com/gpu.") || name.starts_with("nvidia.com/gpu-") ||
           name == "nvidia.com/pgpu" || name == "amd.com/gpu" || name.starts_with("gpu.intel.com/") || name == "habana.ai/gaudi";
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
            (limits ? out.ephemeral_storage_limit_bytes : out.ephemeral_storage_bytes) = quantity->ceil();
        } else if (name.starts_with("hugepages-")) {
            if (!quantity->is_integer()) list.error(name, "found " + describe(member) + ", allowed: whole bytes");
            out.hugepages[name] = quantity->ceil();
            list.note(name, "does not change the result: nodes are taken to have the huge pages that pods ask for");
        } else if (name.find('/') != std::string::npos) {
            if (const std::string meant = nearest_name(name, {"nvidia.com/gpu", "amd.com/gpu"}); !meant.empty() && !is_gpu_resource(name)) {
                list.error(name, "is no resource of a device plugin that is known; did you mean " + meant + "?");
                out.extended.try_emplace(meant, quantity->ceil());
                continue;
            }
            if (!quantity->is_integer()) {
                list.error(name, "found " + describe(member) + ", allowed: a whole number (devices are not divided)");
                out.extended.try_emplace(name, quantity->ceil());
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
    if (!out.ephemeral_storage_bytes) out.ephemeral_storage_bytes = out.ephemeral_storage_limit_bytes;
    const auto over = [&](const auto& request, const auto& limit, const char* name) {
        if (request && limit && *request > *limit)
            resources.error("requests", std::string("asks for more ") + name + " than the limit, allowed: at most the limit");
    };
    over(out.cpu_request_milli, out.cpu_limit_milli, "cpu");
    over(out.memory_request_bytes, out.memory_limit_bytes, "memory");
    over(out.ephemeral_storage_bytes, out.ephemeral_storage_limit_bytes, "ephemeral-storage");
    for (Decoder& claim : resources.children("claims")) {
        out.claims.push_back(claim.required_text("name"));
        claim.quiet({"request"});
        claim.finish();
    }
    resources.finish();
    return out;
}

Container decode_container(Decoder& container) {
    Container out;
    out.where = container.where();
    out.path = container.path();
    out.name = container.required_text("name");
    out.image = container.text("image").value_or("");
    if (!out.image.empty() && !is_image_reference(out.image))
        container.error("image", "found \"" + out.image + "\", which the kubelet refuses (InvalidImageName), allowed: [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], the name in lower case");
    out.command = decode_words(container, "command", out.word_places);
    out.args = decode_words(container, "args", out.word_places);
    out.environment = decode_environment(container);
    for (Decoder& source : container.children("envFrom")) {
        if (const std::string name = source.node().text_at({"configMapRef", "name"}); !name.empty()) out.config_maps.push_back(name);
        source.quiet({"configMapRef", "secretRef", "prefix"});
        source.finish();
    }
    out.resources = decode_resources(container.child("resources"));
    for (Decoder& port : container.children("ports")) {
        const auto number = port.int32("containerPort", 1, 65535);
        if (!port.has("containerPort")) port.missing("containerPort", "a port number");
        const std::string name = port.text("name").value_or("");
        if (!name.empty() && out.ports.contains(name)) port.error("name", "found \"" + name + "\" a second time, allowed: each port's name once");
        if (number) out.ports[name.empty() ? std::to_string(*number) : name] = *number;
        const std::string protocol = port.choice<std::string>("protocol", {{"TCP", "TCP"}, {"UDP", "UDP"}, {"SCTP", "SCTP"}}).value_or("TCP");
        const std::string ip = port.text("hostIP").value_or("");
        if (const auto host = port.int32("hostPort", 0, 65535); host && *host > 0) out.host_ports.push_back({*host, protocol, ip.empty() ? "0.0.0.0" : ip});
        port.finish();
    }
    out.startup_probe = decode_probe(container, "startupProbe", true);
    out.readiness_probe = decode_probe(container, "readinessProbe", false);
    out.liveness_probe = decode_probe(container, "livenessProbe", true);
    Decoder lifecycle = container.child("lifecycle");
    out.pre_stop = decode_hook(lifecycle, "preStop");
    out.post_start = decode_hook(lifecycle, "postStart");
    lifecycle.harmless({"stopSignal"});
    lifecycle.finish();
    if (const auto policy = container.choice<bool>("restartPolicy", {{"Always", true}, {"Never", false}, {"OnFailure", false}})) {
        out.restartable_init = *policy;
        if (!*policy) container.error("restartPolicy", "would change the result and is not simulated: a container's own restart policy other than Always");
    }
    container.unsupported({"restartPolicyRules"}, "restart rules of a container");
    out.image_pull_policy = container.choice<std::string>("imagePullPolicy", {{"Always", "Always"}, {"IfNotPresent", "IfNotPresent"}, {"Never", "Never"}}).value_or("");
    for (Decoder& mount : container.children("volumeMounts")) {
        VolumeMount entry{mount.required_text("name"), mount.required_text("mountPath"), mount.boolean("readOnly").value_or(false), mount.text("subPath").value_or(""), mount.where()};
        mount.quiet({"subPathExpr", "mountPropagation", "recursiveReadOnly"});
        mount.finish();
        out.volume_mounts.push_back(std::move(entry));
    }
    container.harmless({"volumeDevices", "securityContext", "workingDir", "stdin", "tty", "stdinOnce"});
    container.quiet({"resizePolicy", "terminationMessagePath", "terminationMessagePolicy"});
    container.finish();
    return out;
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

std::string Container::variable(const std::string& variable_name) const {
    for (const EnvironmentVariable& v : environment)
        if (v.name == variable_name && v.known) return v.value;
    return "";
}

}  // namespace windtunnel
