#include "scenarios/gallery_rows.hpp"

#include "scenarios/documents/decoder.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

namespace windtunnel {

namespace {

namespace fs = std::filesystem;

GalleryMetric decode_metric(Decoder& item) {
    GalleryMetric out;
    out.path = item.required_text("path");
    out.label = item.text("label").value_or(out.path.substr(out.path.rfind('.') + 1));
    item.finish();
    return out;
}

GalleryRow decode_row(const Document& document, const fs::path& folder, Findings& findings) {
    Decoder root(document.root, "", document.file, findings);
    GalleryRow out;
    out.name = folder.filename().string();
    out.about = root.required_text("about");
    out.look_at = root.text("look_at").value_or("");
    for (Decoder& item : root.children("variants")) {
        GalleryVariant variant;
        variant.label = item.required_text("label");
        const std::string file = item.required_text("scenario");
        variant.file = (folder / file).string();
        variant.refused = item.boolean("refused").value_or(false);
        if (!file.empty() && !fs::exists(folder / file))
            item.error("scenario", "found \"" + file + "\", which is not there, allowed: a scenario beside this file");
        item.finish();
        out.variants.push_back(std::move(variant));
    }
    if (out.variants.empty()) root.missing("variants", "a list of {label, scenario}");
    else if (std::all_of(out.variants.begin(), out.variants.end(), [](const GalleryVariant& v) { return v.refused; }))
        root.error("variants", "found none that runs, allowed: at least one without refused: true");
    for (Decoder& item : root.children("metrics")) out.metrics.push_back(decode_metric(item));
    if (out.metrics.empty()) root.missing("metrics", "a list of {path, label}");
    root.finish();
    return out;
}

}  // namespace

Result<std::vector<GalleryRow>> read_gallery(const std::string& folder) {
    std::error_code error;
    if (!fs::is_directory(folder, error))
        return Problems{{{folder, 0, 0}, "", "is no folder, allowed: a gallery (folders that hold a gallery.yaml)"}};
    std::vector<fs::path> rows;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.is_directory() && fs::exists(entry.path() / "gallery.yaml")) rows.push_back(entry.path());
    if (rows.empty())
        return Problems{{{folder, 0, 0}, "", "holds no row, allowed: folders that hold a gallery.yaml"}};
    std::sort(rows.begin(), rows.end());
    std::vector<GalleryRow> out;
    Findings findings;
    for (const fs::path& row : rows) {
        auto documents = read_documents({(row / "gallery.yaml").string()}, std::cin);
        if (!documents) {
            for (Problem& p : documents.take_problems()) findings.errors.push_back(std::move(p));
            continue;
        }
        out.push_back(decode_row(documents->front(), row, findings));
    }
    if (!findings.errors.empty()) return findings.errors;
    return out;
}

}  // namespace windtunnel
