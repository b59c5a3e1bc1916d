#include "scenarios/image_spec.hpp"

#include "scenarios/documents/document.hpp"
#include "scenarios/documents/suggest.hpp"
#include "sim/start_plan.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::json;

/// Unpacked to compressed: most layers are gzip, which halves what an image of libraries takes [estimate]; plain tar files
/// are what they are.
constexpr double gzip_ratio = 2;

/// Of a server image without weights, in the order in which they are stacked: 2.8 GB of CUDA, 1.4 of PyTorch, 1.0 of other
/// libraries (bentoml.com/blog/cold-starting-llms-on-kubernetes-in-under-30-seconds, 2025-04).
struct TypicalLayer {
    const char* name;
    double gb;
};
constexpr TypicalLayer typical_layers[] = {{"CUDA", 2.8}, {"PyTorch", 1.4}, {"libraries", 1.0}};
constexpr double typical_gb = 5.2;

/// "docker.io/library/nginx:1.27" -> "nginx:1.27": what a container runtime fills in.
std::string short_name(std::string image) {
    for (const char* prefix : {"docker.io/", "index.docker.io/", "library/"})
        if (image.starts_with(prefix)) image.erase(0, std::char_traits<char>::length(prefix));
    return image;
}
/// Without tag and digest. A colon before the last slash is a registry's port.
std::string repository_of(const std::string& image) {
    std::string name = image.substr(0, image.find('@'));
    const std::size_t slash = name.rfind('/'), colon = name.rfind(':');
    if (colon != std::string::npos && (slash == std::string::npos || colon > slash)) name.erase(colon);
    return name;
}

/// The layers that an OCI or Docker image manifest lists (docker manifest inspect, crane manifest, skopeo inspect --raw).
void read_manifest(Decoder& item, const std::string& file, std::vector<ImageLayer>& out) {
    const auto refuse = [&](const std::string& what) { item.error("manifest", fmt::format("{}: {}", file, what)); };
    std::ifstream in(file, std::ios::binary);
    if (!in) return refuse("cannot be read");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const Json root = Json::parse(text, nullptr, false);
    if (root.is_discarded() || !root.is_object()) return refuse("found no JSON object, allowed: an image manifest (docker manifest inspect, crane manifest)");
    if (root.contains("manifests"))
        return refuse("found an index of several platforms, allowed: the manifest of one (crane manifest --platform linux/amd64 IMAGE)");
    if (root.contains("fsLayers")) return refuse("found a manifest of schema 1, which has no sizes, allowed: schema 2 or OCI");
    if (!root.contains("layers") || !root["layers"].is_array() || root["layers"].empty()) return refuse("found no layers, allowed: an image manifest with layers: [{digest, size}]");
    for (const Json& l : root["layers"]) {
        if (!l.is_object() || !l.contains("digest") || !l["digest"].is_string() || !l.contains("size") || !l["size"].is_number_unsigned() || l["size"].get<std::uint64_t>() == 0)
            return refuse("found the layer " + l.dump(-1, ' ', false, Json::error_handler_t::replace) + ", allowed: a digest and a size in bytes");
        const std::string type = l.contains("mediaType") && l["mediaType"].is_string() ? l["mediaType"].get<std::string>() : "gzip";
        const bool packed = type.find("gzip") != std::string::npos || type.find("zstd") != std::string::npos;
        const auto size = static_cast<double>(l["size"].get<std::uint64_t>());
        out.push_back({l["digest"], size, packed ? gzip_ratio * size : size, 0, 0});
    }
}

void decode_layers(Decoder& item, ImageSpec& out) {
    for (Decoder& layer : item.children("layers")) {
        ImageLayer one;
        one.name = layer.required_text("name");
        if (!layer.has("gb")) layer.missing("gb", "10^9 bytes, compressed");
        one.bytes = layer.number("gb", 1e-9, 1e4).value_or(0) * 1e9;
        one.unpacked = layer.number("unpacked_gb", 1e-9, 1e4).value_or(gzip_ratio * one.bytes / 1e9) * 1e9;
        layer.finish();
        out.layers.push_back(std::move(one));
    }
}

ImageSpec decode_image(Decoder& item, const std::string& scenario_file) {
    ImageSpec out;
    out.where = item.where();
    out.path = item.path();
    out.image = item.required_text("image");
    out.base = item.text("base").value_or("");
    const Node* layers = item.node().find("layers");
    const bool typical = layers != nullptr && layers->is_text();
    if (typical) {
        const std::string word = item.text("layers").value_or("");
        if (word != "typical") item.error("layers", "found \"" + word + "\", allowed: typical, or a list of {name, gb}");
        if (!item.has("gb")) item.missing("gb", "10^9 bytes of the whole image, compressed");
        const double gb = item.number("gb", 1e-6, 1e4).value_or(typical_gb);
        for (const TypicalLayer& l : typical_layers)
            out.layers.push_back({out.image + " " + l.name, gb * 1e9 * l.gb / typical_gb, gzip_ratio * gb * 1e9 * l.gb / typical_gb, 0, 0});
    } else if (layers != nullptr) {
        decode_layers(item, out);
    }
    if (item.has("gb") && !typical) item.error("gb", "stands without layers: typical, allowed: gb of each layer");
    if (const auto file = item.text("manifest")) {
        if (layers != nullptr) item.error("manifest", "stands beside layers, allowed: one of them");
        const std::filesystem::path beside = std::filesystem::path(scenario_file).parent_path() / *file;
        read_manifest(item, beside.string(), out.layers);
    } else if (layers == nullptr) {
        item.missing("layers", "a list of {name, gb}, or typical, or manifest: FILE");
    }
    item.finish();
    return out;
}

/// Bases must be there, and not go in a circle; one name is one layer; a stack has an end.
void check_images(Decoder& cluster, const ImageList& list) {
    std::vector<std::string> names;
    for (const ImageSpec& image : list.images) names.push_back(image.image);
    std::map<std::string, double> sizes;
    for (const ImageSpec& image : list.images) {
        const auto error = [&](const std::string& key, const std::string& what) {
            cluster.findings().errors.push_back({image.where, image.path + key, what});
        };
        if (std::count(names.begin(), names.end(), image.image) > 1) error(".image", "found \"" + image.image + "\" a second time, allowed: each image once");
        std::size_t depth = 0;
        for (const ImageSpec* at = &image; !at->base.empty() && depth <= list.images.size(); ++depth) {
            const auto base = std::find_if(list.images.begin(), list.images.end(), [&](const ImageSpec& i) { return i.image == at->base; });
            if (base == list.images.end()) {
                if (at == &image) error(".base", "found \"" + image.base + "\", which is no entry of cluster.images" + did_you_mean(image.base, names));
                break;
            }
            at = &*base;
        }
        if (depth > list.images.size()) {
            error(".base", "goes in a circle, allowed: a base that ends");
            continue;
        }
        for (const ImageLayer& l : image.layers)
            if (const auto [known, is_new] = sizes.emplace(l.name, l.bytes); !is_new && known->second != l.bytes)
                error(".layers", fmt::format("found {} with {:g} GB, elsewhere it has {:g}, allowed: one size for one layer", l.name, l.bytes / 1e9, known->second / 1e9));
        if (const std::size_t all = list.layers_of(image.image).size(); all > most_layers)
            error(".layers", fmt::format("found {} layers with its bases', allowed: at most {}", all, most_layers));
    }
}

}  // namespace

ImageList decode_images(Decoder& cluster, const std::string& scenario_file) {
    ImageList out;
    if (cluster.has("image_pulls")) {
        Decoder pulls = cluster.child("image_pulls");
        out.pulls.downloads = pulls.int32("downloads", 1, static_cast<std::int32_t>(most_downloads)).value_or(out.pulls.downloads);
        out.pulls.download_bytes_per_s = pulls.number("download_gb_per_s", 1e-6, 1000).value_or(out.pulls.download_bytes_per_s / 1e9) * 1e9;
        out.pulls.unpack_bytes_per_s = pulls.number("unpack_gb_per_s", 1e-6, 1000).value_or(out.pulls.unpack_bytes_per_s / 1e9) * 1e9;
        out.pulls.sigma = pulls.number("sigma", 0, 5).value_or(out.pulls.sigma);
        pulls.finish();
    }
    cluster.quiet({"image_pulls"});
    const std::size_t errors = cluster.findings().errors.size();
    for (Decoder& item : cluster.children("images")) out.images.push_back(decode_image(item, scenario_file));
    if (cluster.findings().errors.size() == errors) check_images(cluster, out);
    return out;
}

const ImageSpec* ImageList::find(const std::string& image) const {
    const std::string name = short_name(image), repository = repository_of(name);
    for (const ImageSpec& i : images)
        if (short_name(i.image) == name) return &i;
    for (const ImageSpec& i : images)
        if (short_name(i.image) == repository) return &i;
    return nullptr;
}

std::vector<ImageLayer> ImageList::layers_of(const std::string& image) const {
    std::vector<ImageLayer> out;
    const ImageSpec* at = find(image);
    for (std::size_t depth = 0; at != nullptr && depth <= images.size(); ++depth) {
        out.insert(out.begin(), at->layers.begin(), at->layers.end());
        at = at->base.empty() ? nullptr : find(at->base);
    }
    for (ImageLayer& l : out) {
        l.download_s = l.bytes / pulls.download_bytes_per_s;
        l.unpack_s = l.bytes / pulls.unpack_bytes_per_s;
    }
    return out;
}

double pull_seconds(const std::vector<ImageLayer>& layers, std::int32_t downloads) {
    std::vector<double> free(static_cast<std::size_t>(downloads), 0.0);
    double unpacked = 0;
    for (const ImageLayer& l : layers) {
        double& there = *std::min_element(free.begin(), free.end());
        there += l.download_s;
        unpacked = std::max(unpacked, there) + l.unpack_s;
    }
    return unpacked;
}

}  // namespace windtunnel
