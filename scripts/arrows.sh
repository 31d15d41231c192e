#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the arrows between rooms that the compiler cannot: Foundation stays out of pure rooms, each wrapped library has one user, and the
# floors do not mix. Prints `file:line: what is wrong; what to do` and ends with 1.
#
#   scripts/arrows.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# shellcheck disable=SC2016 # awk's own variables
find Sources -name '*.swift' ! -name '*.pb.swift' -print0 | sort -z | xargs -0 awk '
    BEGIN {
        split("MeshModel Telemetry AgentCore Import Gating Planning Running Linting TreeLinting Rendering Rehearsal", list)
        for (i in list) pure[list[i]] = 1
        split("Foundation FoundationEssentials FoundationNetworking FoundationInternationalization Glibc Musl Dispatch Logging CLinux", list)
        for (i in list) impure[list[i]] = 1
        split("MeshConfig JournalSQLite TrustAuthority FleetGateway ToolDrivers FeedExport OTLPExport TelemetryStore OperatorAPI Lab HostProbe HostTrace Tetragon Hubble DiskWipe AgentLink TelemetrySpool", list)
        for (i in list) edge[list[i]] = 1
        # Module: the rooms, or folders of a room, that may import it.
        only["Yams"] = "MeshConfig"
        only["GRDB"] = "JournalSQLite"
        only["COpenSSL"] = "MeshTrust"
        only["CCurl"] = "MeshHTTP"
        only["CZlib"] = "MeshSystem"
        only["CBlkid"] = "DiskWipe"
        only["CBpf"] = only["CHostTrace"] = "HostTrace"
        only["Hummingbird"] = only["HummingbirdTLS"] = only["HummingbirdCore"] = "OperatorAPI Lab/StandIns"
        only["SwiftProtobuf"] = "MeshWire"
        only["GRPCCore"] = only["GRPCNIOTransportHTTP2Posix"] = "GRPCStream OTLPExport"
        only["ArgumentParser"] = "meshgate meshgate-agent"
    }
    function wrong(text) { print FILENAME ":" FNR ": " text; faults++ }
    function allowed(module, room,    i, n, rooms) {
        n = split(only[module], rooms, " ")
        for (i = 1; i <= n; i++) if (rooms[i] == room || rooms[i] == room "/" folder) return 1
        return 0
    }
    FNR == 1 { split(FILENAME, path, "/"); floor = path[2]; room = path[3]; folder = path[4]; home[room] = floor }
    /^[ \t]*(@[A-Za-z_]+(\([^)]*\))?[ \t]+)*((public|package|internal|private|fileprivate)[ \t]+)?import[ \t]/ {
        line = $0
        sub(/\/\/.*/, "", line)
        sub(/^.*import[ \t]+/, "", line)
        sub(/^(struct|class|enum|protocol|func|var|let|typealias|actor)[ \t]+/, "", line)
        match(line, /^[A-Za-z_][A-Za-z0-9_]*/)
        module = substr(line, RSTART, RLENGTH)
        if (room in pure && (module in impure || module ~ /^NIO/))
            wrong(room " is a pure room and imports " module "; hand in what it needs as a value or a port")
        else if (module == "Foundation" && floor != "Coordinator")
            wrong(floor "/" room " imports Foundation; use FoundationEssentials or Glibc at an edge, it keeps the agent small")
        if (module in only && !allowed(module, room))
            wrong(room " imports " module ", which only " only[module] " may; ask that room through its own types")
        if (module in edge && module != room && room != "meshgate" && room != "meshgate-agent")
            wrong(room " imports the edge " module "; edges meet only in the two programs")
        imports[++count] = module
        place[count] = FILENAME ":" FNR
        from[count] = floor
    }
    END {
        for (i = 1; i <= count; i++) {
            target = home[imports[i]]
            if (target == "" || target == from[i] || target == "Shared") continue
            print place[i] ": " from[i] " imports " imports[i] " of " target "; floors meet only in Shared"
            faults++
        }
        if (faults) { print "arrows: " faults " wrong"; exit 1 }
        print "arrows: " count " imports, all drawn"
    }' || exit 1
