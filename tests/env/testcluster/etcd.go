package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd serves etcd on a unix socket, so that the cluster takes one TCP port only.
// It answers with the client endpoint and with what stops etcd and removes its sockets.
func startEtcd(ctx context.Context, dir string, fsync bool) (*embed.Etcd, string, func(), error) {
	// A unix socket's path is limited to about 100 bytes: --dir may be longer.
	sockets, err := os.MkdirTemp("", "testcluster")
	if err != nil {
		return nil, "", nil, err
	}
	cfg := etcdConfig(dir, sockets, fsync)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		os.RemoveAll(sockets)
		return nil, "", nil, err
	}
	stop := func() {
		e.Close()
		os.RemoveAll(sockets)
	}
	if err := waitForEtcd(ctx, e); err != nil {
		stop()
		return nil, "", nil, err
	}
	return e, cfg.ListenClientUrls[0].String(), stop, nil
}

func etcdConfig(dir, sockets string, fsync bool) *embed.Config {
	socket := func(name string) []url.URL {
		return []url.URL{{Scheme: "unix", Path: filepath.Join(sockets, name)}}
	}
	// Advertised addresses must look like host:port; a single member never dials them.
	nowhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(dir, "etcd")
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{filepath.Join(dir, "etcd.log")}
	cfg.UnsafeNoFsync = !fsync
	cfg.EnableGRPCGateway = false
	cfg.ListenClientUrls = socket("client")
	cfg.ListenPeerUrls = socket("peer")
	cfg.AdvertisePeerUrls = nowhere
	cfg.AdvertiseClientUrls = nowhere
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.AutoCompactionMode = "periodic"
	cfg.AutoCompactionRetention = "5m"
	cfg.QuotaBackendBytes = 2 << 30
	return cfg
}

func waitForEtcd(ctx context.Context, e *embed.Etcd) error {
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("stopped while starting: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Minute):
		return errors.New("not ready after a minute")
	}
}
