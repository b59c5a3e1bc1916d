#!/bin/sh
# Roofline plots of decode attention as one HTML page on standard output: the share of the peak memory bandwidth that was
# reached by the bytes of keys and values that were read, one chart per GPU and cache type, a point per shape.
#   tools/attention_page.sh [FILE ...]   files of attention_check time, tables of other kernels (CSV or CSV.gz with the same header)
# Files that are not there are said and left out. Points above 100 % were read from the L2 cache.
set -eu
for file; do
    case $file in *.gz) read="gzip -dc" ;; *) read=cat ;; esac
    if [ -r "$file" ]; then $read "$file"; else echo "note: $file is not there" >&2; fi
done | awk -F, '
function gpu_of(name) {
    if (match(toupper(name), /GB200|B200|B300|H200|H100|A100|L40S|H20|L4|A10|RTX[ _A-Z0-9]*/)) return substr(toupper(name), RSTART, RLENGTH)
    return name
}
{ sub(/\r$/, "") }
$1 == "gpu" { delete column; for (i = 1; i <= NF; ++i) column[$i] = i; next }
column["pct"] && $column["kv_mb"] > 0 {
    chart = gpu_of($column["gpu"]) ", " ($column["kv"] ~ /fp8/ ? "fp8 cache" : "16-bit cache")
    ours = $column["kernel"] == "windtunnel"
    shape = chart SUBSEP $column["b"] " @ " $column["kv_len"] ", " $column["hq"] "/" $column["hkv"] " heads, D " $column["d"]
    us = $column["us"] + 0
    if (ours) { if (!(shape in own)) shapes[chart, ++shape_count[chart]] = shape; own[shape] = us; share[shape] = $column["pct"] }
    else if (!(shape in best) || us < best[shape]) { best[shape] = us; best_share[shape] = $column["pct"]; by[shape] = $column["kernel"] }
    if (!(chart in seen)) { seen[chart] = 1; charts[++n] = chart }
    x = 60 + 130 * (log($column["kv_mb"]) / log(10) + 1); y = 330 - 2.6 * $column["pct"]
    if (x < 60 || x > 720) next
    if (y < 20) y = 20
    title = $column["kernel"] " " $column["b"] " @ " $column["kv_len"] ", " $column["hq"] "/" $column["hkv"] " heads: " $column["us"] " us, " $column["pct"] " %"
    point = sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" class=\"%s\"><title>%s</title></circle>\n", x, y, ours ? 4 : 2, ours ? "ours" : "theirs", title)
    if (ours) { mine[chart] = mine[chart] point; ++count[chart] } else { other[chart] = other[chart] point; ++others[chart] }
}
END {
    print "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Decode attention: bandwidth reached</title>"
    print "<style>body{font:15px sans-serif;margin:2em auto;max-width:780px}.theirs{fill:#9ab;fill-opacity:.6}.ours{fill:#d33}text{font-size:12px;fill:#555}table{border-spacing:1em .2em;font-size:13px}th,td{text-align:right}line{stroke:#ddd}.roof{stroke:#333}</style>"
    print "<h1>Decode attention: bandwidth reached</h1><p>Share of the peak memory bandwidth by the megabytes of keys and values that one call reads. Grey: other kernels&rsquo; tables; red: Windtunnel&rsquo;s. The line is the roof; points above it were read from the L2 cache.</p>"
    if (!n) print "<p>No measurements were given.</p>"
    for (i = 1; i <= n; ++i) {
        c = charts[i]
        printf "<h2>%s</h2><p>%s; %s.</p><svg viewBox=\"0 0 760 370\">\n", c, count[c] ? count[c] " shapes of ours" : "ours: not measured yet", others[c] ? others[c] " of other kernels" : "no other kernel"
        for (p = 0; p <= 100; p += 25) printf "<line x1=\"60\" x2=\"720\" y1=\"%.1f\" y2=\"%.1f\"%s/><text x=\"25\" y=\"%.1f\">%d %%</text>\n", 330 - 2.6 * p, 330 - 2.6 * p, p == 100 ? " class=\"roof\"" : "", 334 - 2.6 * p, p
        for (e = -1; e <= 4; ++e) printf "<line x1=\"%d\" x2=\"%d\" y1=\"20\" y2=\"330\"/><text x=\"%d\" y=\"350\">%s MB</text>\n", 190 + 130 * e, 190 + 130 * e, 175 + 130 * e, e < 0 ? "0.1" : sprintf("%d", 10 ^ e)
        printf "%s%s</svg>\n", other[c], mine[c]
        if (!shape_count[c]) continue
        print "<table><tr><th>shape<th>ours, us<th>share<th>best of the others, us<th>share<th>kernel<th>ours / best</tr>"
        for (k = 1; k <= shape_count[c]; ++k) {
            shape = shapes[c, k]; split(shape, part, SUBSEP)
            if (shape in best) printf "<tr><td>%s<td>%.1f<td>%s %%<td>%.1f<td>%s %%<td>%s<td>%.2f</tr>\n", part[2], own[shape], share[shape], best[shape], best_share[shape], by[shape], own[shape] / best[shape]
            else printf "<tr><td>%s<td>%.1f<td>%s %%<td>not in the tables<td><td><td></tr>\n", part[2], own[shape], share[shape]
        }
        print "</table>"
    }
    print "</html>"
}'
