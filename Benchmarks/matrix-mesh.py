#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mesh.yaml of so many hosts on loopback, in two clusters, for the matrix of facts.sh: matrix-mesh.py HOSTS

With --count FILE it reads the answers of `meshgate check net --output json` and says how many nodes answered, how many ways were measured, and
how many single checks that was: TCP ports one by one; of a way datagrams, loss, round trip, both sizes, source address, ICMP and TCP 4240.
"""
import json
import sys


def cluster(number, name, names, pods, services, port):
    rows = "".join(
        f"\n        - {{ name: h{i}, role: {'worker' if place else 'controlPlane'}, address: 127.0.1.{i + 1} }}"
        for place, i in enumerate(names)
    )
    return f"""
    - name: {name}
      id: {number}
      kind: talos
      context: admin@{name}
      endpoint: https://127.0.1.{names[0] + 1}:6443
      network: lan
      podCIDRs: [{pods}]
      serviceCIDRs: [{services}]
      kubeProxy: false
      cilium:
        kubeProxyReplacement: true
        routingMode: tunnel
        tunnelProtocol: vxlan
        encryption: none
        clustermesh: {{ serviceType: NodePort, nodePort: {port} }}
      nodes:{rows}"""


def mesh(hosts):
    half = hosts // 2
    east = cluster(1, "east", range(half), "10.244.0.0/16", "10.96.0.0/12", 32379)
    west = cluster(2, "west", range(half, hosts), "10.245.0.0/16", "10.112.0.0/12", 32380)
    return f"""apiVersion: meshgate.dev/v1alpha1
kind: Mesh
metadata: {{ name: bench }}
spec:
  versions: {{ talos: 1.11.3, cilium: 1.18.5, gatewayAPI: 1.3.0 }}
  networks:
    - {{ name: lan, cidr: 127.0.1.0/24, gateway: 127.0.1.254, mtu: 1500 }}
  clusters:{east}{west}
"""


def count(path):
    replies = json.load(open(path))
    facts = [fact for reply in replies for evidence in reply["evidence"] for fact in evidence["facts"]]
    ways = [fact["path"] for fact in facts if "path" in fact]
    ways = [way.get("_0", way) for way in ways]
    measured = [way for way in ways if way.get("echo")]
    ports = sum("reach" in fact for fact in facts)
    return sum(reply["answered"] for reply in replies), len(ways), len(measured), ports + 8 * len(measured)


if sys.argv[1] == "--count":
    print(*count(sys.argv[2]))
else:
    print(mesh(int(sys.argv[1])), end="")
