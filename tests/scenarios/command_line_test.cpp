// How a container's command, args, scripts, files and environment are read: what sh and bash would run, and what vLLM
// would make of it.
#include "scenarios/commands/command_line.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

using Words = std::vector<std::string>;

bool is_vllm(const Words& command) { return command[0] == "vllm"; }

/// The commands of a script, in which nvidia-smi lists two GPUs.
std::vector<Words> commands_of(const std::string& script, Environment environment = {}, Words parameters = {}) {
    ShellContext context;
    context.environment = std::move(environment);
    context.parameters = std::move(parameters);
    context.gpus = 2;
    return shell_commands(script, context);
}

Words vllm_of(const std::string& script, const Environment& environment = {}, const Words& parameters = {}) {
    for (const Words& command : commands_of(script, environment, parameters))
        if (is_vllm(command)) return command;
    return {};
}

Imported commanded_with(const std::string& fields, const std::string& image = "vllm/vllm-openai:v0.10.2") {
    return import_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: s}\nspec:\n  selector: {matchLabels: {app: s}}\n  template:\n    metadata: {labels: {app: s}}\n    spec:\n      containers:\n      - name: c\n        image: " + image +
                       "\n        resources: {limits: {nvidia.com/gpu: 1}}\n        readinessProbe: {httpGet: {path: /health, port: 8000}}\n" + fields);
}

}  // namespace

TEST_CASE("command line: shells are looked through as far as simple commands go") {
    CHECK(find_command({"/bin/bash", "-c", "--", "ulimit -n 65536; vllm serve x"}, {}, is_vllm) == Words{"vllm", "serve", "x"});
    const Environment environment{{"MODEL", "org/model"}, {"EMPTY", ""}};
    const auto commands = commands_of("set -e  # prepare\nexport TP=2 && PORT=80 exec vllm serve \"$MODEL\" \\\n  --tensor-parallel-size=${TP} --port ${PORT:-8000} --name 'a b' --x ${EMPTY:-d}; echo done", environment);
    REQUIRE(commands.size() == 2);
    // As in a shell, PORT=80 is for the command it precedes, not for the words of that command.
    CHECK(commands[0] == Words{"vllm", "serve", "org/model", "--tensor-parallel-size=2", "--port", "8000", "--name", "a b", "--x", "d"});
    CHECK(expand_kubernetes("--m=$(MODEL) $(NO) $$(MODEL)", environment) == "--m=org/model $(NO) $(MODEL)");
    const Words found = find_command({"/bin/bash", "-lc", "sleep 1\nvllm serve $(MODEL)"}, environment, is_vllm);
    CHECK(found == Words{"vllm", "serve", "org/model"});
    CHECK(find_command({"/usr/bin/tini", "-g", "--", "bash", "-o", "pipefail", "-c", "vllm serve x"}, {}, is_vllm) == Words{"vllm", "serve", "x"});
    CHECK(find_command({"bash", "-c", "bash -c 'vllm serve x --port 1'"}, {}, is_vllm) == Words{"vllm", "serve", "x", "--port", "1"});
}

TEST_CASE("shell: redirections, background and here-documents are no words of a command") {
    const Words plain{"vllm", "serve", "x"};
    for (const char* script : {"vllm serve x > /tmp/log 2>&1", "vllm serve x >>log 2>>err &", "vllm serve x &> log & wait", "vllm serve x 2>&1 | tee log", "(vllm serve x)", "{ vllm serve x; }", "vllm serve x </dev/null",
                               "cat > f <<'END'\nvllm serve y\nEND\nvllm serve x", "cat <<-END >f\n\tvllm serve y\n\tEND\nvllm serve x", "trap : TERM; nohup vllm serve x"}) {
        INFO(script);
        CHECK(vllm_of(script) == plain);
    }
    // A digit that ends a word is no descriptor.
    CHECK(vllm_of("vllm serve x2>log") == Words{"vllm", "serve", "x2"});
}

TEST_CASE("shell: parameters and their expansions") {
    CHECK(vllm_of("exec vllm serve \"$@\"", {}, {"a b", "c"}) == Words{"vllm", "serve", "a b", "c"});
    CHECK(vllm_of("vllm serve x \"$@\"") == Words{"vllm", "serve", "x"});
    CHECK(vllm_of("vllm serve $1 ${2:-d} $#", {}, {"m"}) == Words{"vllm", "serve", "m", "d", "1"});
    CHECK(vllm_of(": ${M:=org/m}\nvllm serve $M") == Words{"vllm", "serve", "org/m"});
    CHECK(vllm_of("vllm serve ${P##*/} ${P%/*} ${Q:+--eager} ${P#/}", {{"P", "/a/b/c"}, {"Q", ""}}) == Words{"vllm", "serve", "c", "/a/b", "a/b/c"});
    CHECK(vllm_of("set -- --port 1\nvllm serve x $@") == Words{"vllm", "serve", "x", "--port", "1"});
    CHECK(vllm_of("A=(--x '1 2')\nA+=(--y)\nvllm serve \"${A[@]}\"") == Words{"vllm", "serve", "--x", "1 2", "--y"});
    CHECK(vllm_of("A='--x 1'\nA+=' --y'\nvllm serve $A") == Words{"vllm", "serve", "--x", "1", "--y"});
    CHECK(vllm_of("eval \"vllm serve x $A\"", {{"A", "--y 2"}}) == Words{"vllm", "serve", "x", "--y", "2"});
    CHECK(vllm_of("vllm serve x --tp $(nvidia-smi -L | wc -l) --n `nvidia-smi --query-gpu=name --format=csv,noheader | wc -l`") == Words{"vllm", "serve", "x", "--tp", "2", "--n", "2"});
    CHECK(vllm_of("vllm serve $(echo org/m) --host $(hostname -i)") == Words{"vllm", "serve", "org/m", "--host", "$(hostname -i)"});
}

TEST_CASE("shell: arithmetic on whole numbers") {
    const auto last = [](const std::string& text, const std::map<std::string, std::string>& environment = {}) { return vllm_of("vllm serve x " + text, environment).back(); };
    CHECK(last("$((2 + 3 * 4))") == "14");
    CHECK(last("$(( (2 + 3) * -4 / 3 % 4 ))") == "-2");  // -20 / 3 = -6, -6 % 4 = -2: towards zero
    CHECK(last("$((NODES*RANKS))", {{"NODES", "2"}, {"RANKS", "8"}}) == "16");
    CHECK(last("$((${NODES:-3} * $RANKS))", {{"RANKS", "8"}}) == "24");
    CHECK(last("$((NEVER_SET + 1))") == "1");
    CHECK(last("$(($(nvidia-smi -L | wc -l) * 2))") == "4");
    CHECK(vllm_of("N=$((1 + 1))\nvllm serve x --tp $((N * 2))").back() == "4");
    // What has no value stays as it is written.
    for (const char* text : {"$((1 / 0))", "$((2 ** 3))", "$((A + 1))", "$((9223372036854775807 + 1))", "$((1 +))", "$((08x))"}) {
        INFO(text);
        CHECK(vllm_of(std::string("vllm serve x \"") + text + "\"", {{"A", "$(SECRET)"}}).back().starts_with("$("));
    }
    const auto deep = std::string(200, '(') + "1" + std::string(200, ')');
    CHECK(last("\"$((" + deep + "))\"").starts_with("$("));
    CHECK(last("--y", {}) == "--y");
}

TEST_CASE("shell: a branch whose test is known to fail is not taken") {
    const std::string script = "if [ -z \"$TP\" ]; then TP=1; elif [ $TP -gt 4 ]; then TP=8; else TP=2; fi\nvllm serve x --tp $TP";
    CHECK(vllm_of(script).back() == "1");
    CHECK(vllm_of(script, {{"TP", "5"}}).back() == "8");
    CHECK(vllm_of(script, {{"TP", "3"}}).back() == "2");
    CHECK(vllm_of("[[ \"$M\" == a ]] && M=b\n[ $M = b ] || M=c\nvllm serve $M", {{"M", "a"}}).back() == "b");
    // What nothing sets may be set by the cluster: both branches count.
    const auto both = commands_of("if [ \"$RANK\" = 0 ]; then vllm serve a; else ray start; fi");
    REQUIRE(both.size() == 2);
    CHECK(both[0] == Words{"vllm", "serve", "a"});
}

TEST_CASE("vllm: options from a config file in a ConfigMap, under those of the command line") {
    const Imported in = import_file("vllm_config_file.yaml");
    CHECK(lines(in.findings.errors).empty());
    const ModelServer& s = *in.manifests.workloads.at(0).server;
    CHECK(s.model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(s.max_model_len == 16384);
    CHECK(s.max_num_seqs == 77);  // the flag wins over the file's 128
    CHECK_FALSE(s.enforce_eager);  // false in a file says nothing
    CHECK(s.chunked_prefill == true);
    CHECK(s.vllm_version == "0.10.1");  // of v0.10.1.1
    CHECK(s.engine_generation == "v1");
    CHECK_THAT(lines(in.findings.warnings), Contains("VLLM_ATTENTION_BACKEND chooses kernels") && Contains("VLLM_ATENTION_BACKEND is no variable of vLLM that is known") && Contains("VLLM_ATTENTION_BACKEND"));
    CHECK_THAT(lines(in.findings.notes), Contains("VLLM_LOGGING_LEVEL does not change the result"));
    CHECK_THAT(lines(commanded_with("        args: [--config, /etc/none.yaml]\n").findings.errors), Contains("--config /etc/none.yaml is in no ConfigMap that is mounted there"));
}

TEST_CASE("vllm: start scripts out of a ConfigMap, with what they write and count") {
    const Imported script = import_file("vllm_start_script.yaml");
    CHECK(lines(script.findings.errors).empty());
    const ModelServer& s = *script.manifests.workloads.at(0).server;
    CHECK(s.model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(s.max_model_len == 4096);
    CHECK(s.gpu_memory_utilization == Approx(0.85));
    CHECK(s.prefix_caching == true);
    CHECK(s.max_num_seqs == 32);
    CHECK(s.vllm_version.empty());  // a digest names no release

    const Imported shell = import_file("vllm_shell.yaml");
    CHECK(lines(shell.findings.errors).empty());
    const ModelServer& t = *shell.manifests.workloads.at(0).server;
    CHECK(t.model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(t.tensor_parallel == 2);  // what nvidia-smi lists
    CHECK(t.max_model_len == 8192);
    CHECK(t.max_num_seqs == 64);
    CHECK(t.enforce_eager == true);
}

TEST_CASE("vllm: beginnings of flags, folders of models, several servers in one script") {
    const ModelServer shortened = *commanded_with("        args: [--model=Qwen/Qwen2.5-7B-Instruct, --max-num-batched-token=4096, --gpu-memory-util, '0.8']\n").manifests.workloads.at(0).server;
    CHECK(shortened.max_num_batched_tokens == 4096);
    CHECK(shortened.gpu_memory_utilization == Approx(0.8));
    CHECK_THAT(lines(commanded_with("        args: [--model=Qwen/Qwen2.5-7B-Instruct, --max-num=4]\n").findings.errors), Contains("--max-num is no flag of vLLM"));  // of two flags
    const Imported folder = commanded_with("        args: [--model, /models/Llama-3.1-8B-Instruct]\n");
    CHECK(folder.manifests.workloads.at(0).server->model == "Llama-3.1-8B-Instruct");
    CHECK_THAT(lines(folder.findings.warnings), Contains("\"/models/Llama-3.1-8B-Instruct\" is taken to be Llama-3.1-8B-Instruct"));
    CHECK(commanded_with("        args: [--model, /cache/models--Qwen--Qwen2.5-7B-Instruct/snapshots/abc]\n").manifests.workloads.at(0).server->model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(commanded_with("        args: [--model, /mnt/model]\n").manifests.workloads.at(0).server->model == "/mnt/model");
    const Imported two = commanded_with("        command: [sh, -c, 'vllm serve Qwen/Qwen2.5-7B-Instruct & vllm serve other']\n");
    CHECK_THAT(lines(two.findings.warnings), Contains("starts vLLM in 2 ways; the first is taken: vllm serve Qwen/Qwen2.5-7B-Instruct"));
    CHECK_THAT(lines(commanded_with("        args: [--model=$(M)]\n        env: [{name: M, valueFrom: {secretKeyRef: {name: a, key: b}}}]\n").findings.errors), Contains("whose variable has no value in the manifest"));
}

TEST_CASE("vllm: variables that would change the result are refused or warned of") {
    const auto with = [](const std::string& variable, const std::string& value) {
        return commanded_with("        args: [--model=Qwen/Qwen2.5-7B-Instruct]\n        env: [{name: " + variable + ", value: \"" + value + "\"}]\n").findings;
    };
    CHECK_THAT(lines(with("VLLM_DP_SIZE", "2").errors), Contains("VLLM_DP_SIZE would change the result"));
    CHECK(with("VLLM_DP_SIZE", "1").errors.empty());
    CHECK_THAT(lines(with("VLLM_USE_V1", "yes").errors), Contains("VLLM_USE_V1 found \"yes\", allowed: 0 or 1"));
    CHECK_THAT(lines(with("VLLM_TARGET_DEVICE", "cpu").errors), Contains("found cpu, allowed: cuda, rocm"));
    CHECK_THAT(lines(with("LMCACHE_LOCAL_CPU", "True").warnings), Contains("KV blocks in other tiers are not simulated"));
    CHECK_THAT(lines(with("VLLM_ENABLE_V1_MULTIPROCESSING", "0").warnings), Contains("VLLM_ENABLE_V1_MULTIPROCESSING is not simulated"));
}
