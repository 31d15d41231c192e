// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Glibc
import JournalSQLite
import Logging
import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import OTLPExport
import OperatorAPI
import Planning
import Running
import ServiceLifecycle
import Synchronization
import TelemetryStore
import ToolDrivers
import TrustAuthority

/// The coordinator's parts, built once and wired together. Everything that runs is a `Service` of the one group.
struct Coordinator: Sendable {
    /// What `meshgate serve` was asked for.
    struct Settings: Sendable {
        var mesh: String
        var state: StateDirectory
        /// Directory of mesh.yaml; relative paths of the spec start here.
        var baseDirectory: String
        var kubeconfig: String
        var agentHost: String
        var agentPort: Int
        /// Names and addresses that the coordinator's certificate carries.
        var names: [String]
        /// HOST:PORT of the read-only HTTP listener; absent for none.
        var http: (host: String, port: Int)?
        /// HOST:PORT of the mTLS admin surface; absent for none.
        var operators: (host: String, port: Int)?
        var searchPath: [String]
        /// Who may sign warrants for machines without an agent, which cannot judge them.
        var allowedSigners: String
        /// How much telemetry is kept, and how long.
        var telemetry: StoreConfiguration
        /// The collector that everything is sent on to; absent for none.
        var otlp: OTLPConfiguration?
        /// The machine's log that own events go to; absent for none.
        var systemLog: SystemLogSocket?

        /// Read anew for each warrant.
        func signers(_ files: some FileStore) throws -> AllowedSigners {
            guard let bytes = try files.read(allowedSigners, limit: AllowedSigners.longestText) else {
                throw Failure(.configuration, "there is no allowed_signers file at \(allowedSigners)")
            }
            return try AllowedSigners(parsing: String(decoding: bytes, as: UTF8.self))
        }
    }

    let settings: Settings
    let controller: RunController
    let services: [any Service]
    private let lock: DirectoryLock
    private let journal: SQLiteJournal

    /// Opens the state directory, replays the journal and builds every part. Nothing runs yet.
    static func open(_ settings: Settings, log: Logger) async throws -> Coordinator {
        let files = LinuxFileStore()
        try files.createDirectory(settings.state.path)
        let lock = try DirectoryLock(directory: settings.state.path)
        try files.createDirectory(settings.state.work)
        let now: NowSource = { SystemClock.now() }
        let boot = try SystemClock.bootID()
        let journal = try SQLiteJournal.open(path: settings.state.journal, digester: sha256)
        let feed = EventFeed(head: journal.head.sequence) { try await journal.records(after: $0, limit: $1) }
        let past = RecentPast()
        let machine = try await replay(journal, feed, past, log)
        let trust = try Trust.open(settings, files: files, now: now)
        // Which certificates are revoked is known to the journal alone: with a fresh one, whoever was put out would be let in again.
        guard journal.head.sequence > 0 || trust.roll.nodes.isEmpty else {
            throw Failure(
                .configuration,
                "\(settings.state.journal) is empty or new, but the authority beside it has enrolled \(trust.roll.nodes.count) agents; "
                    + "restore the journal from a backup, or begin with another --state-dir and invite the agents anew")
        }
        let hub = Hub()
        let (progress, answers, seeds) = (ProgressBoard(), AnswerDesk(), SeedBook())
        let echoes = EchoDesk(dispatch: { await hub.gateway?.dispatch($0) ?? .notConnected }, log: log)

        var tools = Toolbox(
            runner: ProcessCommandRunner(), http: try CurlHTTPClient(), files: files, now: now, searchPath: settings.searchPath,
            kubeconfig: settings.kubeconfig, baseDirectory: settings.baseDirectory, workDirectory: settings.state.work,
            environment: toolEnvironment(), lookUp: { environment($0) },
            contexts: { try KubeconfigFile.contexts(settings.kubeconfig, files: files) },
            meshCA: { try CiliumAuthority.open(directory: settings.state.authority, files: files, now: now().wall) },
            progress: { step, line in log.debug("tool", metadata: ["step": "\(step)", "line": "\(line)"]) })
        tools.meshCertificate = { try CiliumAuthority.certificate(directory: settings.state.authority, files: files) }
        tools.variable = { environment($0) }
        tools.readYAML = { try readForeignYAML(String(decoding: $0, as: UTF8.self), file: "the manifest") }
        tools.advanced = { step, news in
            let moment = now()
            guard let machine = hub.controller?.snapshot, let shown = progress.take(news, of: step, machine: machine, now: moment) else {
                return
            }
            feed.tell(FeedProgress(step: step, node: nil, at: moment.wall, progress: shown))
        }
        tools.secretStore = { [http = tools.http] in try StoredCredentials.store($0, http: http) }
        tools.credential = { try StoredCredentials.read($0, of: $1, kubeconfig: settings.kubeconfig, files: files) }
        tools.talosconfig = { try StoredCredentials.talosContexts(files) }
        tools.removeContexts = { try await StoredCredentials.remove($0, $1, kubeconfig: settings.kubeconfig, files: files) }
        tools.flows = hub
        let signers: @Sendable () throws -> AllowedSigners = { try settings.signers(files) }
        let driver = StepDriver(tools: tools, signers: signers)
        let look: @Sendable (EvidenceKey, Plan) async -> Evidence = { key, plan in
            // What came over the feed nobody knows better than we do.
            if key.probe == .telemetry, case .node(let node) = key.subject, let desk = hub.telemetry { return desk.evidence(of: node) }
            return await driver.observe(key, plan: plan)
        }
        let hands = FleetHands(
            driver: driver, look: look, talos: TalosWipe(tools: tools, store: trust.authority.ownStore?.id, signers: signers),
            teardown: TeardownDriver(tools: tools, signers: signers), seeds: seeds, echoes: echoes,
            dispatch: { await hub.gateway?.dispatch($0) ?? .notConnected },
            deliver: { input in
                do {
                    try await hub.controller?.submit(input)
                } catch {
                    log.error("a result was not recorded", metadata: ["error": "\(error)"])
                }
            },
            isWaitedFor: { task in
                guard let run = hub.controller?.snapshot.run, run.id == task.run, !run.isOver, let record = run[task.step] else {
                    return false
                }
                // Once it was reported, the world is looked at and the agent is left alone.
                return record.attempts == task.attempt && record.status.isAwaited
            }, log: log)
        let controller = RunController(
            machine: machine, head: journal.head, journal: journal, hands: hands, now: now,
            seed: { try Digest(KernelEntropy().bytes(32)) ?? .zero },
            committed: { records in
                past.take(records)
                feed.publish(records)
            })
        hub.set(controller)

        let telemetry = try TelemetryDesk(settings.telemetry, controller: controller, now: now, log: log)
        hub.set(telemetry)
        let gateway = FleetGateway(
            configuration: trust.gatewayConfiguration(settings, controller: controller, journal: journal, boot: boot, now: now),
            inbox: FleetDesk(
                controller: controller, released: { hands.release($0) }, answers: answers, seeds: seeds, echoes: echoes, progress: progress,
                feed: feed,
                now: now, log: log),
            enroller: trust.enroller(controller: controller, now: now), telemetry: telemetry, log: log)
        hub.set(gateway)
        let started = now().wall
        let board = DeliveryBoard()
        let surface = try AdminSurface.open(
            settings, trust: trust, controller: controller, gateway: gateway, feed: feed, past: past, progress: progress, answers: answers,
            echoes: echoes, telemetry: telemetry, board: board, observe: look, now: now,
            startedAt: started, log: log)
        let parts = OTLPDesk.Parts(
            store: telemetry.store, feed: feed, history: { try await journal.records(after: $0, limit: $1) },
            families: { [metrics = surface.metrics] in await metrics.families() }, startedAt: started)
        let outward = try Self.outward(settings, parts, board, files: files, http: tools.http, now: now, log: log)
        return Coordinator(
            settings: settings, controller: controller,
            services: [
                LoopService(controller: controller, boot: boot), hands, TickService(controller: controller, feed: feed, now: now, log: log),
                TelemetryKeeper(desk: telemetry), GatewayService(gateway: gateway),
            ] + outward + surface.services, lock: lock, journal: journal)
    }

    /// What is sent on to others.
    private static func outward(
        _ settings: Settings, _ parts: OTLPDesk.Parts, _ board: DeliveryBoard, files: any FileStore, http: any HTTPClient,
        now: @escaping NowSource, log: Logger
    ) throws -> [any Service] {
        var services: [any Service] = []
        if let configuration = settings.otlp {
            let desk = try OTLPDesk.open(
                configuration, mesh: settings.mesh, parts: parts, directory: settings.state.outward, files: files, http: http, now: now,
                log: log)
            board.set(desk)
            services.append(desk)
        }
        if let socket = settings.systemLog {
            try files.createDirectory(settings.state.outward)
            services.append(
                SystemLogService(
                    socket: socket, feed: parts.feed, mesh: settings.mesh,
                    positions: PositionFile(path: "\(settings.state.outward)/\(socket.form.rawValue)", files: files), log: log))
        }
        return services
    }

    private static func replay(_ journal: SQLiteJournal, _ feed: EventFeed, _ past: RecentPast, _ log: Logger) async throws -> RunMachine {
        let state = Mutex(RunMachine())
        try await journal.replay { record in
            feed.remember(record)
            past.take([record])
            state.withLock { $0.apply(record.entry, at: record.at) }
        }
        if journal.tornBytes > 0 {
            log.warning("the journal's tail was torn and never acknowledged; it was dropped", metadata: ["bytes": "\(journal.tornBytes)"])
        }
        return state.withLock { $0 }
    }

    private static func toolEnvironment() -> [String: String] {
        var passed: [String: String] = [:]
        for name in Toolbox.passedVariables { passed[name] = environment(name) }
        // The Lab's stand-ins take their speed from it.
        passed["LAB_STANDIN_DELAY_MS"] = environment("LAB_STANDIN_DELAY_MS")
        return passed
    }
}

/// The parts that need each other: the run hands tasks to the gateway and looks at the feed, and both hand reports to the run.
final class Hub: Sendable {
    private let parts = Mutex<(controller: RunController?, gateway: FleetGateway?, telemetry: TelemetryDesk?)>((nil, nil, nil))
    var controller: RunController? { parts.withLock { $0.controller } }
    var gateway: FleetGateway? { parts.withLock { $0.gateway } }
    var telemetry: TelemetryDesk? { parts.withLock { $0.telemetry } }
    func set(_ telemetry: TelemetryDesk) { parts.withLock { $0.telemetry = telemetry } }
    func set(_ controller: RunController) { parts.withLock { $0.controller = controller } }
    func set(_ gateway: FleetGateway) { parts.withLock { $0.gateway = gateway } }
}

/// Steps run once the feed is taken in; before that nobody counts, and says so.
extension Hub: FlowWitness {
    func begin(_ parties: TestFlows.Parties) { telemetry?.begin(parties) }

    func end(_ parties: TestFlows.Parties) async throws -> TestFlows {
        if let telemetry { return try await telemetry.end(parties) }
        return TestFlows(
            witnesses: parties.nodes.sorted { $0.key < $1.key }.map { .init(node: $0.key, cluster: $0.value, problem: "nobody counted") })
    }
}
