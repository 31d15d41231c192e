// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Where things stand in the picture of a mesh, in units of its view box: clusters on an ellipse, hypervisors in a row below.
struct MeshDrawing {
    private let picture: MeshPicture
    private static let width = 960
    private static let box = (width: 216, head: 50, dot: 22, perRow: 9)

    init(_ picture: MeshPicture) { self.picture = picture }

    var svg: Markup {
        let places = centres
        let lines = pairs.map { first, second in line(first, second, places) }
        let labels = pairs.map { first, second in label(first, second, places) }
        let boxes = picture.clusters.indices.map { cluster(picture.clusters[$0], at: places[$0]) }
        return """
            <svg class="mesh" viewBox="0 0 \(Self.width) \(height)" role="img" aria-labelledby="drawing-title">
            <title id="drawing-title">\(description)</title>
            \(lines)\(boxes)\(labels)\(hypervisors)
            </svg>
            """
    }

    /// The whole picture in a sentence, for whoever does not see it.
    private var description: String {
        let bad = picture.ways.count { $0.state == .bad }
        let connected = picture.connections.count { $0.state == .good }
        let nodes = picture.clusters.flatMap(\.nodes)
        return "\(picture.clusters.count) clusters with \(nodes.count) nodes, \(nodes.count(where: \.isConnected)) agents connected; "
            + "\(connected) of \(pairs.count) pairs of clusters connected by clustermesh; ways between clusters with a problem: \(bad)"
    }

    // MARK: places

    private var rows: Int { picture.clusters.map { ($0.nodes.count + Self.box.perRow - 1) / Self.box.perRow }.max() ?? 1 }
    private var boxHeight: Int { Self.box.head + min(rows, 6) * Self.box.dot + 14 }
    private var radius: Int { picture.clusters.count < 3 ? 0 : 70 + boxHeight / 2 + 24 * picture.clusters.count }
    private var middle: Int { 20 + radius + boxHeight / 2 }
    private var height: Int { middle + radius + boxHeight / 2 + (picture.hypervisors.isEmpty ? 20 : 80) }

    private var centres: [(x: Int, y: Int)] {
        let count = picture.clusters.count
        switch count {
        case 1: return [(Self.width / 2, middle)]
        case 2: return [(20 + Self.box.width / 2, middle), (Self.width - 20 - Self.box.width / 2, middle)]
        default:
            let across = Double(Self.width / 2 - 20 - Self.box.width / 2)
            return (0..<count).map { index in
                let (sine, cosine) = Self.turn(Double(index) / Double(count))
                return (Self.width / 2 + Int((sine * across).rounded()), middle - Int((cosine * Double(radius)).rounded()))
            }
        }
    }

    /// Sine and cosine of a part of a full turn, good to four places, which is less than a hundredth of a unit here.
    private static func turn(_ part: Double) -> (sine: Double, cosine: Double) {
        // Halving the angle ten times, and doubling back up from where the series of two terms is exact enough.
        var (sine, cosine) = (0.0, 1.0)
        let small = part * 2 * Double.pi / 1024
        (sine, cosine) = (small - small * small * small / 6, 1 - small * small / 2)
        for _ in 0..<10 { (sine, cosine) = (2 * sine * cosine, cosine * cosine - sine * sine) }
        return (sine, cosine)
    }

    /// Every two clusters, by their places.
    private var pairs: [(Int, Int)] {
        picture.clusters.indices.flatMap { first in picture.clusters.indices.dropFirst(first + 1).map { (first, $0) } }
    }

    // MARK: what is drawn

    private func line(_ first: Int, _ second: Int, _ places: [(x: Int, y: Int)]) -> Markup {
        let (from, to) = (places[first], places[second])
        return "<path class=\"way \(state(first, second).rawValue)\" d=\"M\(from.x) \(from.y)L\(to.x) \(to.y)\"/>\n"
    }

    private func label(_ first: Int, _ second: Int, _ places: [(x: Int, y: Int)]) -> Markup {
        let (from, to) = (places[first], places[second])
        // Lines across the middle would have their labels on one another there.
        let isNeighbour = second - first == 1 || second - first == picture.clusters.count - 1
        let part = picture.clusters.count < 4 || isNeighbour ? 50 : 36
        let (x, y) = (from.x + (to.x - from.x) * part / 100, from.y + (to.y - from.y) * part / 100)
        let lines = words(first, second)
        let longest = lines.map(\.count).max() ?? 0
        let (width, height) = (longest * 7 + 16, lines.count * 17 + 8)
        let text = lines.enumerated().map { index, line -> Markup in
            "<text class=\"label\" x=\"\(x)\" y=\"\(y - height / 2 + 16 + index * 17)\">\(line)</text>"
        }
        return """
            <g><rect class="plate \(state(first, second).rawValue)" x="\(x - width / 2)" y="\(y - height / 2)" width="\(width)" \
            height="\(height)" rx="5"/>\(text)</g>

            """
    }

    private func cluster(_ cluster: MeshPicture.Cluster, at centre: (x: Int, y: Int)) -> Markup {
        let (left, top) = (centre.x - Self.box.width / 2, centre.y - boxHeight / 2)
        let room = Self.box.perRow * 6
        let dots = cluster.nodes.prefix(room).enumerated().map { index, node -> Markup in
            let (column, row) = (index % Self.box.perRow, index / Self.box.perRow)
            return dot(node, x: left + 20 + column * Self.box.dot, y: top + Self.box.head + 10 + row * Self.box.dot)
        }
        let within = picture.ways.first { $0.from == cluster.name && $0.to == cluster.name }
        let inside = within.map { " · ways \($0.good)/\($0.planned)" } ?? ""
        let hidden = cluster.nodes.count > room ? " (\(room) shown)" : ""
        return """
            <g><rect class="cluster \(within.map(\.state).map { $0 == .bad ? "bad" : "plain" } ?? "plain")" x="\(left)" y="\(top)" \
            width="\(Self.box.width)" height="\(boxHeight)" rx="9"/>\
            <text class="name" x="\(left + 14)" y="\(top + 22)">\(cluster.name)</text>\
            <text class="small" x="\(left + 14)" y="\(top + 40)">\(cluster.cilium ?? "no Cilium seen")\(inside)\(hidden)</text>\(dots)</g>

            """
    }

    private func dot(_ node: MeshPicture.Node, x: Int, y: Int) -> Markup {
        let state = node.isConnected ? "good" : "bad"
        let title: Markup = "<title>\(node.name), \(node.role): agent \(node.isConnected ? "connected" : "away")</title>"
        // Control planes are square; whoever is away is hollow and crossed, whatever its colour.
        let shape: Markup =
            node.role == "worker"
            ? "<circle class=\"node \(state)\" cx=\"\(x)\" cy=\"\(y)\" r=\"7\"/>"
            : "<rect class=\"node \(state)\" x=\"\(x - 7)\" y=\"\(y - 7)\" width=\"14\" height=\"14\" rx=\"3\"/>"
        let cross: Markup = node.isConnected ? "" : "<path class=\"cross\" d=\"M\(x - 4) \(y - 4)L\(x + 4) \(y + 4)\"/>"
        return "<g>\(title)\(shape)\(cross)</g>"
    }

    private var hypervisors: Markup {
        let count = picture.hypervisors.count
        guard count > 0 else { return "" }
        let shown = picture.hypervisors.prefix(6)
        let each = Self.width / shown.count
        return Markup(
            shown.enumerated().map { index, node -> Markup in
                let (x, y) = (each * index + each / 2, height - 36)
                return "\(dot(node, x: x - 70, y: y))<text class=\"small\" x=\"\(x - 54)\" y=\"\(y + 5)\">\(node.name) (hypervisor)</text>"
            })
    }

    // MARK: what a line says

    private func between(_ first: Int, _ second: Int) -> [MeshPicture.Ways] {
        let names = [picture.clusters[first].name, picture.clusters[second].name]
        return picture.ways.filter { $0.from != $0.to && names.contains($0.from) && names.contains($0.to) }
    }

    private func connection(_ first: Int, _ second: Int) -> MeshPicture.State? {
        let names = [picture.clusters[first].name, picture.clusters[second].name]
        return picture.connections.first { names.contains($0.first) && names.contains($0.second) }?.state
    }

    private func state(_ first: Int, _ second: Int) -> MeshPicture.State {
        let states = between(first, second).map(\.state) + (connection(first, second).map { [$0] } ?? [])
        if states.contains(.bad) { return .bad }
        return states.isEmpty || states.contains(.unknown) ? .unknown : .good
    }

    private func words(_ first: Int, _ second: Int) -> [String] {
        let ways = between(first, second)
        let mesh =
            switch connection(first, second) {
            case .good: "mesh connected"
            case .bad: "mesh not connected"
            case .unknown: "mesh half known"
            case nil: "mesh not joined yet"
            }
        guard !ways.isEmpty else { return [mesh] }
        let (good, planned) = (ways.reduce(0) { $0 + $1.good }, ways.reduce(0) { $0 + $1.planned })
        let narrowest = ways.compactMap(\.narrowest).min().map { " · \($0) B" } ?? ""
        let slowest = ways.compactMap(\.roundTrip).max().map { " · " + milliseconds($0) } ?? ""
        return [mesh, "ways \(good)/\(planned)\(narrowest)\(slowest)"]
    }
}
