// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel

/// PID 1 of a node: builds the node's view of the machine, reaps orphans, and keeps something real listening on the ports that a Talos
/// node with Cilium would have open. On all but one nothing is spoken; a connection is accepted and closed, which is all that reachability needs.
/// The clustermesh API server speaks TLS.
package struct LabNodeServices {
    /// Talos' apid, Cilium's health port, the API server of control planes.
    static func ports(of node: LabTopology.Node) -> [UInt16] {
        node.role == .controlPlane ? [50000, 4240, 6443] : [50000, 4240]
    }

    private static let reportDescriptor: Int32 = 3
    /// How often orphans are reaped and the stand-in world is looked at, in milliseconds.
    private static let period: Int32 = 100

    private let node: LabTopology.Node
    private let cluster: LabTopology.Cluster
    private let paths: LabPaths
    private var listeners: [UInt16: Int32] = [:]
    private var meshServer: LabTLSServer?

    /// The hidden command `meshgate lab node-services --directory DIR --node NAME`; started by `LabBuilder` only.
    package static func run(_ arguments: [String]) -> Never {
        do {
            var services = try LabNodeServices(arguments)
            try services.begin()
            close(reportDescriptor)
            services.serve()
        } catch {
            let text = Array("\(error)".utf8)
            // Whoever started us reads this; when nobody does, our exit code says enough.
            _ = write(reportDescriptor, text, text.count)
            exit(1)
        }
    }

    private init(_ arguments: [String]) throws {
        let options = try LabOptions(arguments, known: ["--directory", "--node"])
        paths = LabPaths(try options.value("--directory"))
        let topology = try LabTopology(try LabPlan.load(paths))
        node = try topology.node(try options.value("--node"))
        cluster = try topology.cluster(of: node)
        guard getpid() == 1 else { throw LabError.usage("node-services runs as PID 1 of a node of the lab and nowhere else") }
    }

    private mutating func begin() throws {
        var disk: LabNodeMounts.Disk?
        if let wanted = node.disk {
            let image = paths.image(wanted)
            guard let loop = LabLoop.all(below: paths.disks).first(where: { $0.image == image }) else {
                throw LabError.unexpected(doing: "find the loop device of \(node.name)", found: "none for \(image)")
            }
            disk = LabNodeMounts.Disk(name: wanted.device, loop: loop)
        }
        try LabNodeMounts(hostname: node.name.text, disk: disk).make()
        for port in Self.ports(of: node) { listeners[port] = try Self.listen(on: port) }
    }

    private mutating func serve() -> Never {
        while true {
            followWorld()
            var watched = listeners.values.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if poll(&watched, nfds_t(watched.count), Self.period) > 0 {
                for entry in watched where entry.revents != 0 {
                    let connection = accept(entry.fd, nil, nil)
                    if connection >= 0 { close(connection) }
                }
            }
            while waitpid(-1, nil, WNOHANG) > 0 {}
        }
    }

    /// The NodePort of the clustermesh API server answers while the stand-in cluster has clustermesh enabled.
    private mutating func followWorld() {
        let port = UInt16(cluster.nodePort)
        let isEnabled = LabWorld.hasClustermesh(paths.world(of: cluster))
        if isEnabled, meshServer == nil {
            // A port that cannot be had now is tried again in the next round; the probes show the difference.
            meshServer = try? LabTLSServer(port: port, directory: paths.world(of: cluster))
        } else if !isEnabled, let server = meshServer {
            server.stop()
            meshServer = nil
        }
    }

    private static func listen(on port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw LabError.system(doing: "make a socket", on: "port \(port)", errno: errno) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        let bound = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard bound == 0, Glibc.listen(descriptor, 64) == 0 else {
            let number = errno
            close(descriptor)
            throw LabError.system(doing: "listen", on: "port \(port)", errno: number)
        }
        return descriptor
    }
}
