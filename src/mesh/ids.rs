//! The ids of the model's tables.

crate::ids! {
    /// A Kubernetes Service or ServiceEntry host.
    ServiceId,
    /// One (service, port, subset) with one policy, as a proxy sees it.
    ClusterId,
    /// One Deployment: pods that behave alike.
    WorkloadId,
    /// One server instance.
    PodId,
    /// One source of load.
    ClientId,
    /// One Envoy: of a client pod, a gateway pod, or beside a calling pod.
    ProxyId,
    /// One complete set of routes, as one kind of proxy sees it in one state of the configuration.
    RouteTableId,
    /// What a request looks like.
    ShapeId,
    ZoneId,
    /// Envoys that apply rules for the services behind them.
    WaypointId,
    /// One service behind one waypoint.
    DoorId,
    /// One call as a step of an operation writes it.
    CallSpecId,
    /// One state of the configuration, by the timeline.
    StateId,
}
