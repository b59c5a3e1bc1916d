// check, diff, cost and report, run as a person would run them.
#include "tests/support/small_demo.hpp"

#include <csignal>
#include <nlohmann/json.hpp>

using namespace windtunnel;
using Json = nlohmann::ordered_json;
using program::has;

namespace {

/// Twenty minutes of the demo on five replicas that KEDA may take to `most`.
void judged_scenario(const program::Folder& folder, int most = 8) {
    program::small_demo(folder);
    folder.replace("k8s/scaledobject.yaml", "maxReplicaCount: 16", "maxReplicaCount: " + std::to_string(most));
}

std::string quiet(const std::string& arguments) { return arguments + " -q --color never"; }

}  // namespace

TEST_CASE("check: thresholds that hold give 0, that fail 1, and the line that binds") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended good = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml --threshold 'failed < 1000000' --set 'thresholds=[]' --trials 4"));
    INFO(good.out << good.error);
    CHECK(good.code == 0);
    CHECK(has(good.out, "✓ failed < 1000000"));
    const program::Ended bad = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml --set 'thresholds=[]' --threshold 'p99 ttft_ms < 1' --threshold 'degraded minutes < 100'"
                             " --trials 4 --set 'ScaledObject/chat:spec.maxReplicaCount=5'"));
    INFO(bad.out << bad.error);
    CHECK(bad.code == 1);
    CHECK(has(bad.out, "✗ p99 ttft_ms < 1"));
    CHECK(has(bad.out, "✓ degraded minutes < 100"));
    CHECK(has(bad.out, "reached its maximum of 5 replicas"));
    CHECK(has(bad.out, "k8s/"));
    CHECK(program::windtunnel_in(folder.path(), "check scenario.yaml --threshold 'p99 tft < 1'").code == 2);
    CHECK(program::windtunnel_in(folder.path(), "check scenario.yaml --report pdf=x").code == 2);
    CHECK(program::windtunnel_in(folder.path(), "check scenario.yaml --tolerance speed=1%").code == 2);
    CHECK(program::windtunnel_in(folder.path(), "check scenario.yaml --base nowhere").code == 2);
    CHECK(program::windtunnel_in(folder.path(), "check scenario.yaml --set 'thresholds=[]'").code == 2);
}

TEST_CASE("check: thresholds speak of alerts, of all rules or of one by its name") {
    const program::Folder folder;
    judged_scenario(folder);
    folder.write("k8s/rules.yaml", "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: r}\nspec:\n  groups:\n  - name: g\n    rules:\n"
                                   "    - {alert: Busy, expr: \"sum(vllm:num_requests_running) > 0\", for: 1m}\n"
                                   "    - {alert: Never, expr: \"sum(vllm:num_requests_running) < 0\"}\n"
                                   "    - {alert: Crashing, expr: 'kube_pod_container_status_waiting_reason{reason=\"CrashLoopBackOff\"} > 0'}\n");
    const auto check = [&](const std::string& expression) {
        return program::windtunnel_in(folder.path(), quiet("check scenario.yaml --set 'thresholds=[]' --trials 1 --threshold '" + expression + "'"));
    };
    CHECK(check("alert Never < 1").code == 0);
    CHECK(check("alert Crashing minutes <= 0").code == 0);
    const program::Ended busy = check("alert Busy minutes < 3");  // of twenty
    INFO(busy.out << busy.error);
    CHECK(busy.code == 1);
    CHECK(has(busy.out, "✗ alert Busy minutes < 3"));
    CHECK(check("alerts < 1").code == 1);
    const program::Ended unknown = check("alert Bussy < 1");
    CHECK(unknown.code == 2);
    CHECK(has(unknown.error, "no rule of the manifests is called Bussy, allowed: Busy, Never, Crashing; did you mean Busy?"));
}

TEST_CASE("check: a pod that is restarted for ever is seen in CrashLoopBackOff, as kube-prometheus' alert looks for it") {
    const program::Folder folder;
    std::filesystem::copy(WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/liveness-restart-loop", folder.path(), std::filesystem::copy_options::recursive);
    folder.write("rules.yaml", "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: r}\nspec:\n  groups:\n  - name: g\n    rules:\n"
                               "    - {alert: CrashLooping, expr: 'max_over_time(kube_pod_container_status_waiting_reason{reason=\"CrashLoopBackOff\"}[5m]) >= 1'}\n"
                               "    - {alert: NoImage, expr: 'kube_pod_container_status_waiting_reason{reason=~\"ErrImagePull|ImagePullBackOff\"} == 1'}\n");
    folder.replace("scenario.yaml", "manifests: [", "manifests: [rules.yaml, ");
    const program::Ended check = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml --set 'thresholds=[]' --trials 1 --threshold 'alert CrashLooping minutes > 30' --threshold 'alert NoImage < 1'"));
    INFO(check.out << check.error);
    CHECK(check.code == 0);
}

TEST_CASE("check: a threshold in the middle of the interval is inconclusive after the last trial") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended run = program::windtunnel_in(
        folder.path(), "run scenario.yaml --trials 4 -o json -q --set 'thresholds=[]'");
    REQUIRE(run.code == 0);
    const Json latency = Json::parse(run.out)["latency"];
    const std::string flags = " --set 'thresholds=[]' --threshold 'mean ttft_ms < " + latency["mean_ttft_ms"].dump() + "' --trials 4 --max-trials 4";
    const program::Ended close = program::windtunnel_in(folder.path(), quiet("check scenario.yaml" + flags));
    INFO(close.out << close.error);
    CHECK(close.code == 4);
    CHECK(has(close.out, "inconclusive after 4 trials"));
    CHECK(program::windtunnel_in(folder.path(), quiet("check scenario.yaml --on-inconclusive pass" + flags)).code == 0);
    CHECK(program::windtunnel_in(folder.path(), quiet("check scenario.yaml --on-inconclusive fail" + flags)).code == 1);
    // Where more may be spent, more is.
    const program::Ended more = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml -o json --set 'thresholds=[]' --threshold 'mean ttft_ms < " + latency["mean_ttft_ms"].dump() + "' --trials 4 --max-trials 9"));
    CHECK(Json::parse(more.out)["trials"].get<int>() > 4);
}

TEST_CASE("check: an unchanged configuration never regresses, whatever the seed") {
    const program::Folder folder;
    judged_scenario(folder);
    REQUIRE(program::windtunnel_in(folder.path(), "run scenario.yaml --trials 8 -q --out base.json").code == 0);
    for (int seed = 1; seed <= 12; ++seed) {
        const program::Ended same = program::windtunnel_in(
            folder.path(), quiet("check scenario.yaml --set 'thresholds=[]' --baseline base.json --trials 6 --max-trials 12 --seed " + std::to_string(seed)));
        INFO("seed " << seed << "\n" << same.out << same.error);
        CHECK(same.code == 0);
        CHECK(has(same.out, seed == 1 ? "trial by trial" : "independent samples"));
    }
    const program::Ended beside = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml --set 'thresholds=[]' --base " + folder.path().string() + "/scenario.yaml --trials 4 -o json"));
    INFO(beside.error);
    REQUIRE(beside.code == 0);
    const Json compared = Json::parse(beside.out);
    for (const Json& row : compared["checks"]) CHECK(row["base"] == row["value"]);
}

TEST_CASE("check: a worse configuration regresses against a folder, a file and a commit, and a better one does not") {
    const program::Folder before, after;
    judged_scenario(before, 8);
    judged_scenario(after, 8);
    after.replace("scenario.yaml", "initial_replicas: 5", "initial_replicas: 4");
    const program::Ended worse = program::windtunnel_in(
        after.path(), quiet("check scenario.yaml --base " + before.path().string() + " --set 'thresholds=[]' --trials 6 --max-trials 12"));
    INFO(worse.out << worse.error);
    CHECK(worse.code == 1);
    CHECK(has(worse.out, "✗ mean_ttft_ms"));
    CHECK(has(worse.out, "trial by trial"));
    const program::Ended better = program::windtunnel_in(
        before.path(), quiet("check scenario.yaml --base " + after.path().string() + " --set 'thresholds=[]' --trials 6 --max-trials 12 --tolerance cost_per_month=90%"));
    INFO(better.out << better.error);
    CHECK(better.code == 0);

    if (std::system("git --version >/dev/null 2>&1") != 0) return;
    const std::string git = "cd '" + before.path().string() + "' && git init -q . && git add -A && "
                            "git -c user.name=n -c user.email=e commit -qm base && git tag base >/dev/null";
    REQUIRE(std::system(git.c_str()) == 0);
    const program::Ended unchanged = program::windtunnel_in(before.path(), quiet("check scenario.yaml --base git:base --set 'thresholds=[]' --trials 4"));
    INFO(unchanged.out << unchanged.error);
    CHECK(unchanged.code == 0);
    before.replace("scenario.yaml", "initial_replicas: 5", "initial_replicas: 4");
    const program::Ended changed = program::windtunnel_in(before.path(), quiet("check scenario.yaml --base git:base --set 'thresholds=[]' --trials 6"));
    INFO(changed.out << changed.error);
    CHECK(changed.code == 1);
    CHECK(program::windtunnel_in(before.path(), "check scenario.yaml --base git:nowhere").code == 2);
}

TEST_CASE("check: every kind of report is written, and the tools that read them accept them") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended run = program::windtunnel_in(
        folder.path(), quiet("check scenario.yaml --trials 4 --threshold 'p99 ttft_ms < 1' --report junit=j.xml --report markdown=m.md --report json=c.json"
                             " --report sarif=s.json --report gitlab=g.json --report github"));
    INFO(run.out << run.error);
    REQUIRE(run.code == 1);
    CHECK(has(run.out, "::error "));
    if (std::system("xmllint --version >/dev/null 2>&1") == 0)
        CHECK(std::system(("xmllint --noout '" + folder.path().string() + "/j.xml'").c_str()) == 0);
    CHECK(has(folder.read("j.xml"), "<failure message=\"p99 ttft_ms &lt; 1: "));
    CHECK(has(folder.read("m.md"), "<!-- windtunnel-check:chat-on-l4 -->"));
    CHECK(has(folder.read("m.md"), "checks failed"));
    const Json check = Json::parse(folder.read("c.json"));
    CHECK(check["schema"] == "windtunnel.check/v1");
    CHECK(check["verdict"] == "fail");
    const Json sarif = Json::parse(folder.read("s.json"));
    CHECK(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"].get<int>() >= 1);
    CHECK(Json::parse(folder.read("g.json"))[0]["location"]["lines"]["begin"].get<int>() >= 1);
}

TEST_CASE("diff: fields that differ, their effect, and what it costs") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended same = program::windtunnel_in(folder.path(), quiet("diff scenario.yaml --base scenario.yaml --trials 3 --exit-code"));
    INFO(same.out << same.error);
    CHECK(same.code == 0);
    CHECK(has(same.out, "Verdict: no difference"));
    folder.write("base.yaml", folder.read("scenario.yaml"));
    folder.replace("scenario.yaml", "initial_replicas: 5", "initial_replicas: 8");
    const program::Ended more = program::windtunnel_in(folder.path(), quiet("diff scenario.yaml --base base.yaml --trials 4 --exit-code"));
    INFO(more.out << more.error);
    CHECK(more.code == 1);
    CHECK(has(more.out, "workload.initial_replicas 5 → 8"));
    CHECK(has(more.out, "dearer"));
    const Json json = Json::parse(program::windtunnel_in(folder.path(), "diff scenario.yaml --base base.yaml --trials 4 -q -o json").out);
    CHECK(json["fields"][0]["path"] == "workload.initial_replicas");
    CHECK(json["fields"].size() == 1);
    CHECK(has(program::windtunnel_in(folder.path(), "diff scenario.yaml --base base.yaml --trials 4 -q -o markdown").out, "| cost_per_month |"));
    CHECK(program::windtunnel_in(folder.path(), "diff scenario.yaml").code == 2);
}

TEST_CASE("cost: every part adds up to its total, to the micro-dollar") {
    const program::Folder folder;
    judged_scenario(folder);
    const auto micro = [](const Json& usd) {
        std::string text = usd;
        text.erase(text.find('.'), 1);
        return std::stoll(text);
    };
    const program::Ended run = program::windtunnel_in(folder.path(), "run scenario.yaml --trials 3 -q -o json --out r.json");
    REQUIRE(run.code == 0);
    for (const char* by : {"pool,workload,use", "use", "model,use", "namespace"}) {
        const program::Ended ended = program::windtunnel_in(folder.path(), std::string("cost scenario.yaml --trials 3 -q -o json --by ") + by);
        INFO(by << ended.error);
        REQUIRE(ended.code == 0);
        const Json cost = Json::parse(ended.out);
        std::function<void(const Json&, long long, const char*)> adds_up = [&](const Json& parts, long long total, const char* key) {
            long long sum = 0;
            for (const Json& p : parts) {
                sum += micro(p[key]);
                if (p.contains("parts")) adds_up(p["parts"], micro(p[key]), key);
            }
            CHECK(sum == total);
        };
        adds_up(cost["parts"], micro(cost["total_usd"]), "usd");
        adds_up(cost["parts"], micro(cost["total_usd_per_month"]), "usd_per_month");
        adds_up(cost["rows"], micro(cost["total_usd"]), "usd");
        CHECK(cost["total_usd"] == Json::parse(folder.read("r.json"))["cost"]["total_usd"]);
        const program::Ended again = program::windtunnel_in(folder.path(), std::string("cost r.json -q -o json --by ") + by);
        CHECK(again.out == ended.out);
    }
    CHECK(has(program::windtunnel_in(folder.path(), "cost scenario.yaml -q --color never").out, "OVERALL TOTAL"));
    CHECK(has(program::windtunnel_in(folder.path(), "cost scenario.yaml -q -o csv --by pool,use").out, "pool,use,usd,usd_per_month\nl4,busy,"));
    CHECK(program::windtunnel_in(folder.path(), "cost scenario.yaml --by colour").code == 2);
}

TEST_CASE("run: precision is reached by as many trials as it takes, and says so") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended run = program::windtunnel_in(folder.path(), "run scenario.yaml --precision 20% --max-trials 60 -o json -q");
    INFO(run.error);
    REQUIRE(run.code == 0);
    const Json results = Json::parse(run.out);
    CHECK(results["trials"].get<int>() >= 10);
    CHECK(results["per_trial"]["mean_ttft_ms"].size() == results["trials"].get<std::size_t>());
    CHECK(has(run.error, "precision 20"));
    CHECK(program::windtunnel_in(folder.path(), "run scenario.yaml --precision 200%").code == 2);
}

namespace {

/// What a browser makes of a page: how many pixels each chart has, and what went wrong; "" where there is no browser.
/// `dom` becomes the page as it is then.
std::string drawn(const program::Folder& folder, std::string page, std::string& dom) {
    if (std::system("command -v chromium >/dev/null") != 0) return "";
    // A listener before everything else, and a count of the pixels that differ from the first of every chart.
    const std::string listen = "<script>window.wrong=[];addEventListener('error',e=>wrong.push(e.message));"
                               "const say=console.error;console.error=(...a)=>{wrong.push(a.join(' '));say(...a);};</script>";
    const std::string count =
        "<script>addEventListener('load',()=>{const out=[];for(const c of document.querySelectorAll('.chart')){let n=0;"
        "for(const k of c.querySelectorAll('canvas')){const d=k.getContext('2d').getImageData(0,0,k.width,k.height).data;"
        "for(let i=0;i<d.length;i+=4)if(d[i+3]>0)++n;}out.push(c.id+'='+n);}"
        "document.body.append('COUNTED '+out.join(' ')+' ERRORS '+wrong.length+' '+wrong.join(';')+' END');});</script>";
    page.replace(page.find("<head>"), 6, "<head>" + listen);
    page.replace(page.rfind("</body>"), 7, count + "</body>");
    folder.write("counted.html", page);
    const std::string at = folder.path().string();
    REQUIRE(std::system(("timeout 120 chromium --headless=new --no-sandbox --disable-gpu --user-data-dir='" + at + "/profile' --virtual-time-budget=5000 "
                         "--dump-dom 'file://" + at + "/counted.html' >'" + at + "/dom' 2>/dev/null").c_str()) == 0);
    dom = folder.read("dom");
    const std::size_t counted = dom.rfind("COUNTED timeline=");
    REQUIRE(counted != std::string::npos);
    const std::string said = dom.substr(counted, dom.find(" END", counted) - counted);
    return said;
}

}  // namespace

TEST_CASE("report: one page; its charts are drawn, without an error, in a browser") {
    const program::Folder folder;
    judged_scenario(folder);
    const program::Ended run = program::windtunnel_in(folder.path(), "report scenario.yaml --trials 2 -q --out page.html");
    INFO(run.out << run.error);
    if (run.code == 2 && has(run.error, "built without the report page")) return;
    REQUIRE(run.code == 0);
    std::string page = folder.read("page.html");
    CHECK_FALSE(has(page, "@DATA@"));
    CHECK_FALSE(has(page, "<script src"));
    std::string dom;
    const std::string said = drawn(folder, page, dom);
    if (said.empty()) return;
    INFO(said);
    CHECK(has(said, " ERRORS 0"));
    CHECK(has(dom, ">Events</h2>"));
    for (const char* id : {"timeline=", "ttft=", "tpot=", "e2el=", "cost="}) {
        const std::size_t where = said.find(id);
        REQUIRE(where != std::string::npos);
        CHECK(std::stol(said.substr(where + std::string(id).size())) > 3000);
    }
}

TEST_CASE("report: spot machines, free and unusable GPUs and starts are on the page of runs that have them") {
    for (const auto& [scenario, ids, words] : std::initializer_list<std::tuple<const char*, std::vector<const char*>, std::vector<const char*>>>{
             {"spot-eviction-midflight", {"spotnodes=", "coldstarts=", "waterfall-"}, {">Spot machines</h2>", "notice given", "where the time to Ready went"}},
             {"gpu-fragmentation", {"timeline="}, {">GPUs free but unusable</h2>"}}}) {
        const program::Folder folder;
        const program::Ended run = program::windtunnel_in(
            folder.path(), std::string("report " WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/") + scenario + "/scenario.yaml --trials 1 -q --out page.html");
        INFO(scenario << run.out << run.error);
        if (run.code == 2 && has(run.error, "built without the report page")) return;
        REQUIRE(run.code == 0);
        std::string dom;
        const std::string said = drawn(folder, folder.read("page.html"), dom);
        if (said.empty()) return;
        INFO(said);
        CHECK(has(said, " ERRORS 0"));
        for (const char* word : words) CHECK(has(dom, word));
        for (const char* id : ids) {
            const std::size_t where = said.find(id);
            REQUIRE(where != std::string::npos);
            CHECK(std::stol(said.substr(said.find('=', where) + 1)) > 2000);
        }
    }
}

TEST_CASE("an interrupted check keeps what is finished, says so, and ends with 130") {
    const program::Folder folder;
    judged_scenario(folder);
    const std::string command = "cd '" + folder.path().string() + "' && timeout --preserve-status -s INT 2 " WINDTUNNEL_PROGRAM
                                " check scenario.yaml --trials 1000000 -q --out kept.json >out 2>error; echo $? >code";
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(folder.read("code") == "130\n");
    CHECK(has(folder.read("error"), "interrupted: "));
    CHECK(Json::parse(folder.read("kept.json"))["complete"] == false);
    CHECK(has(folder.read("out"), "interrupted"));
}
