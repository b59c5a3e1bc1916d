// Starts as graphs of stages: what runs beside what, what is kept where, and who shares which link.
#include "sim/laws.hpp"
#include "tests/support/three_ways.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <optional>

using namespace windtunnel;

namespace {

constexpr std::int64_t gb = 1'000'000'000;

/// When pods came to be Ready, and the stages of their starts.
class Starts : public LawObserver {
public:
    explicit Starts(const Blueprint& b) : LawObserver(b) {}
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        LawObserver::pod_changed(p, pod, now);
        if (pod.state == PodState::ready && m_state[p] != PodState::ready) ready[p].push_back(to_seconds(now));
        if (pod.state == PodState::starting && m_state[p] == PodState::pending) ++pods_bound;
        ill += pod.degradation != 0 ? 1 : 0;
        m_state[p] = pod.state;
    }
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override {
        LawObserver::node_changed(n, node, now);
        lost += node.state == NodeState::lost ? 1 : 0;
    }
    void occurred(const OccurrenceRecord& r) override {
        if (r.what == Occurrence::stage_began) began[{r.subject, r.object}].push_back(to_seconds(r.at));
        if (r.what == Occurrence::layer_downloaded) downloaded.push_back({r.object, to_seconds(Tick{r.value})});
        if (r.what == Occurrence::layer_unpacked) unpacked.push_back({r.object, to_seconds(Tick{r.value})});
        if (r.what == Occurrence::stage_ended) ended[{r.subject, r.object}].push_back(to_seconds(r.at));
        restarts += r.what == Occurrence::container_exited ? 1 : 0;
        LawObserver::occurred(r);
    }
    [[nodiscard]] int ready_at_end() const {
        return static_cast<int>(std::count_if(m_state.begin(), m_state.end(), [](const auto& s) { return s.second == PodState::ready; }));
    }
    int lost = 0, restarts = 0, pods_bound = 0, ill = 0;
    using LawObserver::occurred;
    std::map<std::uint32_t, std::vector<double>> ready;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<double>> began, ended;  ///< (pod, stage)
    std::vector<std::pair<std::uint32_t, double>> downloaded, unpacked;  ///< (layer, seconds that it took)

private:
    std::map<std::uint32_t, PodState> m_state;
};

StagePlan stage(std::int64_t s, std::uint32_t after = StagePlan::all_before) {
    StagePlan out;
    out.fixed = seconds(s);
    out.after = after;
    return out;
}
/// Alone it takes `s`.
StagePlan moves(std::int64_t bytes, std::int64_t s, std::uint32_t source = 0) {
    StagePlan out = stage(s);
    out.bytes = bytes;
    out.source = source;
    return out;
}
StagePlan kept(StagePlan stage, Kept where, bool one_at_a_time = true) {
    stage.kept = where;
    stage.one_at_a_time = one_at_a_time;
    return stage;
}

/// Pods of one GPU on nodes of `gpus` GPUs, none at t = 0 but what a test says.
struct Cluster {
    BlueprintParts parts;
    TemplateParts pods = lab::one_gpu_pods(100, 1);
    std::uint32_t nodes = 8, later_nodes = 0;
    std::int64_t gpus = 1;
    std::int64_t network = 0;
    std::optional<TemplateParts> others;  ///< pods of a second workload
    std::uint32_t parallel_pulls = 1;
    bool zones = false, devices = false;  ///< a second pool in another zone; GPUs are known one by one

    Cluster() { parts.span = seconds(5000); }
    void scale(std::int64_t at, std::uint32_t to) { parts.schedule.push_back({seconds(at), 0, to}); }
    Starts run() {
        WorkloadPlan w;
        w.pod_slots = 16;
        parts.add(w, pods);
        if (others) parts.add(w, *others);
        PoolPlan p;
        p.initial = p.minimum = nodes;
        p.node_slots = nodes + later_nodes;
        p.provisioner = Provisioner::fixed;
        ShapePlan shape = lab::one_gpu_nodes(64000, 1 << 20);
        shape.gpus = gpus;
        shape.capacity = shape.allocatable = resource_amounts(gpus, 64000, 1 << 20, 110);
        shape.network_bytes_per_s = network;
        shape.parallel_pulls = parallel_pulls;
        if (devices) shape.devices[0].count = static_cast<std::uint8_t>(gpus);
        parts.add(p, shape);
        if (zones) {
            shape.zone = 1;
            parts.add(p, shape);
            parts.templates[0].plan.shapes.add(1);
        }
        parts.servers = {lab::plain_server()};
        const BlueprintBlock block = build(parts);
        Starts seen(block.blueprint());
        TrialArena arena;
        const TrialOutcome o = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
            block.blueprint(), {nullptr, 0, parts.span}, {7, 3}, arena, seen);
        CHECK(broken_laws(block.blueprint(), o) == std::vector<std::string>{});
        CHECK(seen.broken == std::vector<std::string>{});
        return seen;
    }
};

/// Compressed layers of 9, 3, 6, 6 and 12 GB that come at 1 GB/s each and take 4, 5, 2, 3 and 1 s to unpack.
constexpr std::int64_t layer_gb[] = {9, 3, 6, 6, 12}, unpack_s[] = {4, 5, 2, 3, 1};
/// A stage that pulls an image of these layers; alone it takes `alone_s`. Artefact 0 to 4 are the compressed layers.
StagePlan image_of(BlueprintParts& parts, const std::vector<std::int32_t>& layers, std::int64_t alone_s, std::uint32_t downloads = 3) {
    static std::map<std::vector<std::int32_t>, std::int32_t> chains;
    if (parts.artefacts == 0) {
        parts.artefacts = 5;
        chains.clear();
    }
    StagePlan out = stage(alone_s);
    out.once_per_node = 1;
    out.source = parts.sources.empty() ? no_link : 0;
    out.downloads = downloads;
    out.first_layer = static_cast<std::uint32_t>(parts.layers.size());
    out.layer_count = static_cast<std::uint32_t>(layers.size());
    std::vector<std::int32_t> chain;
    for (const std::int32_t l : layers) {
        chain.push_back(l);
        const auto known = chains.emplace(chain, static_cast<std::int32_t>(parts.artefacts));
        parts.artefacts += known.second ? 1 : 0;
        const auto i = static_cast<std::size_t>(l);
        parts.layers.push_back({layer_gb[i] * gb, 2 * layer_gb[i] * gb, seconds(layer_gb[i]), seconds(unpack_s[i]), l, known.first->second});
    }
    return out;
}

std::vector<double> sorted_ready(const Starts& seen) {
    std::vector<double> out;
    for (const auto& [p, times] : seen.ready) out.insert(out.end(), times.begin(), times.end());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

TEST_CASE("pod start: stages run beside each other, and the longest path through them is the start") {
    // 0 (10 s) -> 1 (30 s) and 2 (50 s) -> 3 (20 s) after 1, 4 (5 s) after both: 10 + 50 + 5 against 10 + 30 + 20.
    Cluster c;
    c.pods.stages = {stage(10), stage(30, 1), stage(50, 1), stage(20, 1 << 1), stage(5, 1 << 1 | 1 << 2)};
    c.scale(100, 1);
    const Starts seen = c.run();
    CHECK(sorted_ready(seen) == std::vector<double>{165});
    CHECK(seen.began.at({0, 2}) == std::vector<double>{110});
    CHECK(seen.ended.at({0, 3}) == std::vector<double>{160});
    CHECK(seen.began.at({0, 4}) == std::vector<double>{160});
}

TEST_CASE("pod start: everybody who downloads at once shares the source") {
    // 10 GB from a bucket of 1 GB/s, 4 s each alone. One pod: 10 s. Four together: 40 s, whatever their own speed.
    Cluster one;
    one.parts.sources = {{gb}};
    one.pods.stages = {moves(10 * gb, 4), stage(7)};
    one.scale(0, 1);
    CHECK(sorted_ready(one.run()) == std::vector<double>{17});
    Cluster storm;
    storm.parts.sources = {{gb}};
    storm.pods.stages = {moves(10 * gb, 4), stage(7)};
    storm.scale(0, 4);
    CHECK(sorted_ready(storm.run()) == std::vector<double>(4, 47));
    // One at 0 s, three at 5 s: the first has 5 GB left and a quarter, ends at 25; each of the others has had 5 GB
    // by then, and 5 GB left for three: at 40.
    Cluster late;
    late.parts.sources = {{gb}};
    late.pods.stages = {moves(10 * gb, 4)};
    late.scale(0, 1);
    late.scale(5, 4);
    CHECK(sorted_ready(late.run()) == std::vector<double>{25, 40, 40, 40});
}

TEST_CASE("pod start: the pods of one node share its network, those of another do not") {
    // A source without end; the node's network gives 1 GB/s. Two pods on the first node, one on the second
    // (nodes of two GPUs): 20 s, 20 s and 10 s.
    Cluster c;
    c.nodes = 2;
    c.gpus = 2;
    c.network = gb;
    c.parts.sources = {{1000 * gb}};
    StagePlan download = moves(10 * gb, 1);
    download.over_network = 1;
    c.pods.stages = {download};
    c.scale(0, 3);
    CHECK(sorted_ready(c.run()) == std::vector<double>{10, 20, 20});
}

TEST_CASE("pod start: images come to a node one after the other, in the order in which they were asked for") {
    Cluster c;
    c.nodes = 1;
    c.gpus = 4;
    StagePlan image = stage(60);
    image.once_per_node = 1;
    c.pods.stages = {image, stage(10)};
    c.pods.plan.container_stage = 1;
    c.scale(100, 3);
    // The first pulls; the others wait for the same image.
    CHECK(sorted_ready(c.run()) == std::vector<double>{170, 170, 170});
}

TEST_CASE("pod start: what is kept on the node, later pods find there") {
    // 100 s of download into a host path, then 20 s. The second pod, at 300 s, finds it; on another node, it is
    // downloaded anew.
    Cluster c;
    c.nodes = 2;
    c.gpus = 2;
    c.pods.stages = {kept(stage(100), Kept::node), stage(20)};
    c.scale(0, 1);
    c.scale(300, 2);
    c.scale(600, 3);
    c.nodes = 1;
    c.gpus = 4;
    CHECK(sorted_ready(c.run()) == std::vector<double>{120, 320, 620});
    // With a lock, who comes while it is downloaded waits for that; without one it downloads its own.
    for (const bool lock : {true, false}) {
        Cluster both;
        both.nodes = 1;
        both.gpus = 4;
        both.pods.stages = {kept(stage(100), Kept::node, lock), stage(20)};
        both.scale(0, 1);
        both.scale(50, 2);
        CHECK(sorted_ready(both.run()) == std::vector<double>{120, lock ? 120.0 : 170.0});
    }
    // Where it is there it may still take a while: weights from the page cache.
    Cluster cache;
    cache.nodes = 1;
    cache.gpus = 4;
    cache.pods.stages = {kept(stage(100), Kept::node, false)};
    cache.pods.stages[0].again = seconds(8);
    cache.scale(0, 1);
    cache.scale(300, 2);
    CHECK(sorted_ready(cache.run()) == std::vector<double>{100, 308});
}

TEST_CASE("pod start: a shared volume is filled once for all nodes") {
    Cluster c;
    c.pods.stages = {kept(stage(100), Kept::cluster), stage(20)};
    c.scale(0, 1);
    c.scale(40, 3);
    c.scale(500, 4);
    CHECK(sorted_ready(c.run()) == std::vector<double>{120, 120, 120, 520});
}

TEST_CASE("pod start: a node's cache dies with the node, and who waited for a dead pod's download does it itself") {
    // The node at 200 s is lost with its cache; its pod is replaced 350 to 355 s later, and downloads again.
    Cluster c;
    c.nodes = 2;
    c.pods.stages = {kept(stage(100), Kept::node), stage(20)};
    c.scale(0, 1);
    c.parts.events = {{seconds(200), ClusterEventKind::lose_node, {}, 0, 1, 0}};
    const std::vector<double> again = sorted_ready(c.run());
    REQUIRE(again.size() == 2);
    CHECK(again[1] > 200 + 340 + 120);
    CHECK(again[1] < 200 + 365 + 120);
    // Two pods on two nodes share a volume. The first, that fills it, is lost at 50 s with its node: the second,
    // whose node came at 10 s, begins anew.
    Cluster shared;
    shared.nodes = shared.later_nodes = 1;
    shared.pods.stages = {kept(stage(100), Kept::cluster), stage(20)};
    shared.scale(0, 2);
    shared.parts.events = {{seconds(10), ClusterEventKind::add_node, {}, 0, 1, 0},
                           {seconds(50), ClusterEventKind::lose_node, {}, 0, 1, 0}};
    CHECK(sorted_ready(shared.run()).front() == 50 + 120);
}

TEST_CASE("pod start: a restarted container finds what its pod's volume keeps, and nothing else") {
    // Killed 30 s after its start by a liveness probe (initial delay 0 s, 3 x 10 s), and again. Its download of 20 s
    // into the container never helps; into a volume of the pod it is done once, and the rest, 10 s, fits.
    for (const bool volume : {false, true}) {
        Cluster c;
        c.pods.stages = {kept(stage(20), volume ? Kept::pod : Kept::nowhere), stage(15)};
        c.pods.plan.probes.rules.has_liveness = true;
        c.pods.plan.probes.rules.liveness.initial_delay = Tick{};
        c.pods.plan.grace = Tick{};
        c.scale(0, 1);
        const Starts seen = c.run();
                if (volume) {
            CHECK(seen.began.at({0, 0}).size() == 1);
            CHECK(seen.ended.count({0, 1}) == 1);
        } else {
            CHECK(seen.began.at({0, 0}).size() > 3);
            CHECK(seen.ended.count({0, 1}) == 0);
        }
    }
}

TEST_CASE("pod start: an image's layers come three at once and are unpacked one after the other") {
    // Three at once: layers 0 to 2 from 0 to 9, 3 and 6; layer 3 from 3 to 9. Unpacked 9-13, 13-18, 18-20, 20-23.
    Cluster three;
    three.pods.stages = {image_of(three.parts, {0, 1, 2, 3}, 23)};
    three.scale(0, 1);
    const Starts seen = three.run();
    CHECK(sorted_ready(seen) == std::vector<double>{23});
    CHECK(seen.downloaded == std::vector<std::pair<std::uint32_t, double>>{{1, 3}, {2, 6}, {0, 9}, {3, 6}});
    CHECK(seen.unpacked == std::vector<std::pair<std::uint32_t, double>>{{0, 4}, {1, 5}, {2, 2}, {3, 3}});
    // One at once: 0-9, 9-12, 12-18, 18-24; unpacked 9-13, 13-18, 18-20, 24-27.
    Cluster one;
    one.pods.stages = {image_of(one.parts, {0, 1, 2, 3}, 27, 1)};
    one.scale(0, 1);
    CHECK(sorted_ready(one.run()) == std::vector<double>{27});
    // A draw of twice the median: all parts take twice as long.
    Cluster slow;
    slow.pods.stages = {image_of(slow.parts, {0, 1, 2, 3}, 23)};
    slow.parts.tables.push_back(lognormal_table(static_cast<double>(seconds(46).count), 0, seconds(46).count, seconds(46).count));
    slow.pods.stages[0].table = 0;
    slow.scale(0, 1);
    CHECK(sorted_ready(slow.run())[0] == Approx(46).epsilon(0.001));
}

TEST_CASE("pod start: nodes that pull at once share the registry, layer by layer") {
    // Four nodes, one layer of 9 GB each from a registry of 1 GB/s: 36 s, then 4 s to unpack, which nobody shares.
    Cluster c;
    c.parts.sources = {{gb}};
    c.pods.stages = {image_of(c.parts, {0}, 13)};
    c.scale(0, 4);
    CHECK(sorted_ready(c.run()) == std::vector<double>(4, 40));
    // One node, layers of 9, 3 and 6 GB at once over the same: 3 x 3 GB in 9 s, 2 x 3 GB in 6 s, 3 GB in 3 s. The first
    // layer is the last that comes, at 18; unpacked 18-22, 22-27, 27-29.
    Cluster shared;
    shared.parts.sources = {{gb}};
    shared.pods.stages = {image_of(shared.parts, {0, 1, 2}, 20)};
    shared.scale(0, 1);
    const Starts seen = shared.run();
    CHECK(sorted_ready(seen) == std::vector<double>{29});
    CHECK(seen.downloaded == std::vector<std::pair<std::uint32_t, double>>{{1, 9}, {2, 15}, {0, 18}});
}

TEST_CASE("pod start: a second image pulls only the layers that its node lacks") {
    const auto starts = [](const std::vector<std::int32_t>& second, std::int64_t alone_s) {
        Cluster c;
        c.nodes = 1;
        c.gpus = 2;
        c.pods.stages = {image_of(c.parts, {0, 1, 2}, 20)};
        c.others = c.pods;
        c.others->stages = {image_of(c.parts, second, alone_s)};
        c.parts.schedule.push_back({seconds(0), 0, 1});
        c.parts.schedule.push_back({seconds(100), 1, 1});
        return c.run();
    };
    // The same base, and a layer of its own: 12 s down and 1 s to unpack.
    CHECK(sorted_ready(starts({0, 1, 4}, 24)) == std::vector<double>{20, 113});
    // All of its layers are the first ones of the other image: nothing is left to do.
    CHECK(sorted_ready(starts({0, 1}, 18)) == std::vector<double>{20, 100});
    // The same layers in another order are not downloaded again, but unpacked: what lies under a layer is part of it.
    const Starts seen = starts({1, 0}, 18);
    CHECK(sorted_ready(seen) == std::vector<double>{20, 109});
    CHECK(std::count_if(seen.downloaded.begin(), seen.downloaded.end(), [](const auto& d) { return d.second == 0; }) == 2);
}

TEST_CASE("pod start: a kubelet pulls one image after the other, or as many at once as it may") {
    // Image A (layers 0, 1, 2) takes 20 s, B (0, 1, 4) after it 13 s more, or 24 s alone.
    for (const std::uint32_t at_once : {1u, 2u}) {
        Cluster c;
        c.nodes = 1;
        c.gpus = 2;
        c.parallel_pulls = at_once;
        c.pods.stages = {image_of(c.parts, {0, 1, 2}, 20)};
        c.others = c.pods;
        c.others->stages = {image_of(c.parts, {0, 1, 4}, 24)};
        c.parts.schedule.push_back({seconds(0), 0, 1});
        c.parts.schedule.push_back({seconds(0), 1, 1});
        // Together: B waits for layers 0 and 1, which A downloads and unpacks until 18; its own comes from 0 to 12: 18-19.
        CHECK(sorted_ready(c.run()) == (at_once == 1 ? std::vector<double>{20, 33} : std::vector<double>{19, 20}));
    }
}

TEST_CASE("pod start: a pull that breaks off keeps its whole layers on the node") {
    // Deleted at 10 s: layer 0 has come at 9, 1 at 3, 2 at 6; of layer 3 (3-9) too; layer 0 is being unpacked (9-13) and
    // begins anew. The next pod at 50 finds all four compressed: 4 + 5 + 2 + 3 s.
    Cluster c;
    c.nodes = 1;
    c.pods.stages = {image_of(c.parts, {0, 1, 2, 3}, 23)};
    c.scale(0, 1);
    c.scale(10, 0);
    c.scale(50, 1);
    CHECK(sorted_ready(c.run()) == std::vector<double>{64});
    // At 7 s layer 0 and 3 are on their way: 9 s again from 50, 6 s; unpacked 59-63, 63-68, 68-70, 70-73.
    Cluster early;
    early.nodes = 1;
    early.pods.stages = {image_of(early.parts, {0, 1, 2, 3}, 23)};
    early.scale(0, 1);
    early.scale(7, 0);
    early.scale(50, 1);
    CHECK(sorted_ready(early.run()) == std::vector<double>{73});
}

TEST_CASE("pod start: a boot script fills the node's cache while the image is pulled") {
    // Node up at 200 s (asked for at 0 by hand); 30 GB at 1 GB/s from then on; the pod: image 50 s, then the weights,
    // that are there at 230 s, then 20 s. Without the script it downloads after its image: 50 + 30 + 20.
    for (const bool script : {true, false}) {
        Cluster c;
        c.parts.sources = {{gb}};
        c.parts.artefacts = 1;
        StagePlan image = stage(50);
        image.once_per_node = 1;
        StagePlan weights = kept(moves(30 * gb, 1), Kept::node);
        weights.artefact = 0;
        c.pods.stages = {image, weights, stage(20)};
        c.pods.plan.container_stage = 1;
        PrefetchPlan prefetch;
        prefetch.stage = weights;
        if (script) c.parts.prefetches = {prefetch};
        c.parts.cold = true;
        c.nodes = 1;
        c.scale(10, 1);
        CHECK(sorted_ready(c.run()) == std::vector<double>{script ? 80.0 : 110.0});
    }
}

TEST_CASE("faults: a zone's loss takes all of its nodes, and only them") {
    // Two pools of two nodes in zones 0 and 1, four pods: two are left.
    Cluster c;
    c.nodes = 2;
    c.scale(0, 4);
    c.zones = true;
    c.parts.events = {{seconds(100), ClusterEventKind::lose_zone, {}, 1, 1, 0}};
    const Starts seen = c.run();
    CHECK(seen.lost == 2);
    CHECK(seen.ready_at_end() == 2);  // the other two wait: there is no other node
}

TEST_CASE("faults: a GPU that falls off the bus takes its pod down for good, and its unit out of the node") {
    // A node of two GPUs with two pods: one of them crashes again and again where it is. A third pod finds no GPU, also
    // when the crashing one is scaled away: one GPU is left, and the other pod has it.
    Cluster c;
    c.nodes = 1;
    c.gpus = 2;
    c.devices = true;
    c.pods.stages = {stage(20)};
    c.scale(0, 2);
    c.scale(1000, 3);
    c.parts.events = {{seconds(100), ClusterEventKind::lose_gpu, {}, 0, 1, 0}};
    const Starts seen = c.run();
    CHECK(seen.restarts > 5);
    CHECK(seen.ready_at_end() == 1);
    CHECK(seen.pods_bound == 2);
}

TEST_CASE("faults: a node whose driver does not fit ends servers, or lets them run ill") {
    for (const bool silent : {false, true}) {
        Cluster c;
        c.nodes = c.later_nodes = 1;
        DegradationPlan slow;
        slow.error_share = share_one;
        c.parts.degradations = {slow};
        c.scale(0, 2);
        c.parts.events = {{seconds(5), ClusterEventKind::driver_breaks, {}, 0, 1, silent ? 1u : 0u, seconds(50)},
                          {seconds(10), ClusterEventKind::add_node, {}, 0, 1, 0}};
        const Starts seen = c.run();
        CHECK(seen.ready_at_end() == (silent ? 2 : 1));
        CHECK((seen.restarts > 5) == !silent);
        CHECK((seen.ill > 0) == silent);
    }
}

TEST_CASE("faults: a source that stands still lets nobody start until it is back") {
    Cluster c;
    c.parts.sources = {{gb}};
    c.pods.stages = {moves(10 * gb, 4)};
    c.scale(0, 1);
    c.parts.events = {{seconds(4), ClusterEventKind::source_changes, {}, 0, 1, 0, Tick{}, 0},
                      {seconds(100), ClusterEventKind::source_changes, {}, 0, 1, 0, Tick{}, 2 * gb}};
    CHECK(sorted_ready(c.run()) == std::vector<double>{103});  // 6 GB are left, at 2 GB/s
}

TEST_CASE("pod start: starts of every kind in random clusters: fast = stepwise = interleaved, and the laws hold") {
    std::uint64_t starts = 0, moved = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        INFO("seed " << seed);
        std::vector<Request> requests;
        BlueprintParts parts = lab::random_cluster(seed, requests);
        if (seed % 2 == 0) lab::add_other_workloads(parts, seed);
        lab::add_starts(parts, seed, Tick{parts.span.count / 400 + 1});
        const auto at = [&](std::int64_t share) { return Tick{parts.span.count * share / 10}; };
        DegradationPlan ill;
        ill.error_share = share_one / 4;
        parts.degradations = {ill};
        for (ShapePlan& shape : parts.shapes) {
            shape.devices[0].count = static_cast<std::uint8_t>(shape.gpus);
            shape.zone = seed % 2;
        }
        parts.events = {{at(1), ClusterEventKind::driver_breaks, {}, 0, 1, static_cast<std::uint32_t>(seed % 2), at(5)},
                        {at(2), ClusterEventKind::drain_node, {}, 0, 1, 0},
                        {at(3), ClusterEventKind::source_changes, {}, 0, 1, 0, Tick{}, seed % 3 == 0 ? 0 : 1'000'000},
                        {at(3), ClusterEventKind::lose_gpu, {}, 1, 2, 0},
                        {at(4), ClusterEventKind::lose_node, {}, 1, 1, 0},
                        {at(5), ClusterEventKind::add_node, {}, 0, 1, 0},
                        {at(6), ClusterEventKind::source_changes, {}, 0, 1, 0, Tick{}, 50'000'000},
                        {at(7), ClusterEventKind::lose_zone, {}, static_cast<std::uint32_t>(seed % 2), 1, 0}};
        const TrialOutcome one = lab::run_three_ways(parts, requests, {seed, 3});
        starts += one.tally.cold_starts;
        moved += build(parts).blueprint().most_transfers > 0;
    }
    CHECK(starts > 100);
    CHECK(moved > 100);
}
