// SPDX-License-Identifier: Apache-2.0

import MeshModel
package import Planning
import Running

/// A rehearsal as text, one direction a line: `at 10s clock wrk-w-1 120s`. Lines are in the order of time.
package struct Script: Sendable {
    package struct Line: Hashable, Sendable {
        package var number: Int
        package var second: Int64
        package var words: [String]
    }

    /// Why a script cannot be played.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package var line: Int
        package var problem: String
        package var description: String { "line \(line): \(problem)" }
    }

    package let lines: [Line]

    package static let directions = """
        at TIME start | apply | kill-coordinator | approve STEP | end
        at TIME clock NODE AHEAD | vlan NODE missing|repaired | reboot NODE | agent NODE offline|online
        at TIME tracer NODE stopped|started | hubble NODE away|back | flows CLUSTER CLUSTER drop REASON|pass
        at TIME policy NODE NAME missing|loaded
        at TIME link NODE down|up | route NODE missing|second|planned
        at TIME disk NODE SERIAL holds WORDS... | disk NODE SERIAL busy|free
        at TIME authority CLUSTER WORD|none | api CLUSTER down|up | server CLUSTER shows WORD|its-own
        at TIME standing CLUSTER WORD | pod CLUSTER NAME sticks|restarts
        at TIME driver STEP lies|fails|hangs
        """

    package init(parsing text: String) throws(Fault) {
        var lines: [Line] = []
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = raw.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            if words.isEmpty { continue }
            guard words.count >= 3, words[0] == "at", let time = TimeSpan(words[1]) else {
                throw Fault(
                    line: index + 1, problem: "a line reads `at TIME DIRECTION`, for example `at 10s approve east/wrk-e-1/wipe-vdb`")
            }
            let second = time.duration.components.seconds
            if let last = lines.last, last.second > second {
                throw Fault(line: index + 1, problem: "\(words[1]) comes before the line above")
            }
            lines.append(Line(number: index + 1, second: second, words: Array(words.dropFirst(2))))
        }
        guard lines.last?.words == ["end"] else {
            throw Fault(line: max(1, lines.last?.number ?? 1), problem: "the last line must be `at TIME end`")
        }
        self.lines = lines
    }

    /// Plays it to the end and returns the transcript.
    package func play(_ plan: Plan) throws(Fault) -> Play {
        var play = Play(plan: plan)
        var rest = lines[...]
        var runs = 0
        while let line = rest.first {
            if play.seconds < line.second {
                play.tick()
                continue
            }
            rest.removeFirst()
            if line.words == ["end"] { break }
            try Self.direct(&play, line, runs: &runs)
        }
        play.note("end: \(Self.summary(play))")
        return play
    }

    private static func summary(_ play: Play) -> String {
        guard let run = play.machine.run else { return "no run" }
        let words = Dictionary(grouping: run.steps, by: \.status.word).mapValues(\.count)
        return words.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    private static func direct(_ play: inout Play, _ line: Line, runs: inout Int) throws(Fault) {
        let words = line.words
        func fault(_ problem: String) -> Fault { Fault(line: line.number, problem: problem) }
        func node(_ text: String) throws(Fault) -> NodeID {
            guard let id = NodeID(text), play.world.machines[id] != nil else { throw fault("the mesh has no node \(text)") }
            return id
        }
        func cluster(_ text: String) throws(Fault) -> ClusterName {
            guard let name = ClusterName(text), play.world.clusters[name] != nil else { throw fault("the mesh has no cluster \(text)") }
            return name
        }
        func step(_ text: String) throws(Fault) -> StepID {
            guard let id = StepID(text), play.plan.step(id) != nil else { throw fault("the plan has no step \(text)") }
            return id
        }
        switch (words[0], words.count) {
        case ("start", 1): play.start()
        case ("apply", 1):
            runs += 1
            guard let run = RunID("run-\(runs)") else { throw fault("too many runs") }
            play.apply(run: run)
        case ("kill-coordinator", 1): play.killCoordinator()
        case ("approve", 2): _ = play.approve(try step(words[1]))
        case ("clock", 3):
            let id = try node(words[1])
            guard let ahead = TimeSpan(words[2]) else { throw fault("\(words[2]) is not \(TimeSpan.form)") }
            play.world.machines[id]?.clockAhead = ahead.duration
        case ("vlan", 3):
            let id = try node(words[1])
            play.world.machines[id]?.portDead = words[2] == "missing"
        case ("link", 3):
            let id = try node(words[1])
            guard ["down", "up"].contains(words[2]) else { throw fault("a link goes `down` or `up`") }
            play.world.machines[id]?.linkDown = words[2] == "down"
            play.tellLinks(of: id)
        case ("route", 3):
            let id = try node(words[1])
            guard let route = RehearsedWorld.Route(rawValue: words[2]) else {
                throw fault("the default route is `missing`, `second` or `planned`")
            }
            play.world.machines[id]?.route = route
        case ("tracer", 3):
            let id = try node(words[1])
            guard ["stopped", "started"].contains(words[2]) else { throw fault("a tracer is `stopped` or `started`") }
            play.world.machines[id]?.tracerStopped = words[2] == "stopped"
        case ("hubble", 3):
            let id = try node(words[1])
            guard ["away", "back"].contains(words[2]) else { throw fault("a Hubble is `away` or `back`") }
            play.world.machines[id]?.hubbleAway = words[2] == "away"
        case ("policy", 4):
            let id = try node(words[1])
            guard ["missing", "loaded"].contains(words[3]) else { throw fault("a policy is `missing` or `loaded`") }
            if words[3] == "missing" {
                play.world.machines[id]?.policiesMissing.insert(words[2])
            } else {
                play.world.machines[id]?.policiesMissing.remove(words[2])
            }
        case ("flows", 4) where words[3] == "pass":
            let (from, to) = (try cluster(words[1]), try cluster(words[2]))
            play.world.clusters[from]?.drops[to] = nil
        case ("flows", 5) where words[3] == "drop":
            let (from, to) = (try cluster(words[1]), try cluster(words[2]))
            play.world.clusters[from]?.drops[to] = words[4]
        case ("reboot", 2):
            let id = try node(words[1])
            play.world.machines[id]?.boot += 1
        case ("agent", 3):
            let id = try node(words[1])
            play.world.machines[id]?.online = words[2] == "online"
        case ("disk", 4...) where words[3] == "holds":
            let id = try node(words[1])
            play.world.machines[id]?.contents[words[2]] = words[4...].joined(separator: " ")
        case ("disk", 4) where words[3] == "busy":
            let id = try node(words[1])
            play.world.machines[id]?.busyDisks.insert(words[2])
        case ("disk", 4) where words[3] == "free":
            let id = try node(words[1])
            play.world.machines[id]?.busyDisks.remove(words[2])
        case ("authority", 3):
            let name = try cluster(words[1])
            play.world.clusters[name]?.authority = words[2] == "none" ? nil : words[2]
        case ("standing", 3):
            // With Cilium, its API server, and a CA of this name.
            let name = try cluster(words[1])
            play.world.clusters[name]?.cilium = true
            play.world.clusters[name]?.apiserver = true
            play.world.clusters[name]?.authority = words[2]
            play.world.clusters[name]?.issuer = words[2]
        case ("pod", 4):
            let name = try cluster(words[1])
            play.world.clusters[name]?.stuck[words[2]] = words[3] == "sticks" ? [] : nil
        case ("server", 4) where words[2] == "shows":
            let name = try cluster(words[1])
            play.world.clusters[name]?.shows = words[3] == "its-own" ? nil : words[3]
        case ("api", 3):
            let name = try cluster(words[1])
            play.world.clusters[name]?.reachable = words[2] == "up"
        case ("driver", 3):
            let id = try step(words[1])
            guard let lie = RehearsedWorld.Lie(rawValue: words[2]) else { throw fault("a driver `lies`, `fails` or `hangs`") }
            play.world.lies[id] = lie
        default: throw fault("\"\(words.joined(separator: " "))\" is no direction; they are:\n\(directions)")
        }
    }
}
