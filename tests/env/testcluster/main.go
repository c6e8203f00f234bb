// Command testcluster runs a real Kubernetes API server (kube-apiserver with an
// embedded etcd) in one process on loopback, for tests. Everything it needs (CA,
// serving certificate, admin client certificate, service-account key, kubeconfig)
// is generated under --dir. It prints one line "READY <url> <kubeconfig>" on
// standard output once /readyz answers ok, and stops cleanly on SIGTERM/SIGINT, or,
// with --exit-on-stdin-close, when its standard input is closed (so that a test
// harness that dies takes its cluster with it).
//
// Arguments after "--" are handed to kube-apiserver unchanged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

type config struct {
	dir         string
	port        int
	keep        bool
	fsync       bool
	audit       bool
	controllers bool
	exitOnStdin bool
	verbosity   int
	extra       []string
}

func main() {
	// Under another name (a symbolic link) this is the plain kube-apiserver or etcd
	// command, so that a folder with the two links is what envtest and its likes
	// expect in KUBEBUILDER_ASSETS.
	switch filepath.Base(os.Args[0]) {
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	case "etcd":
		etcdmain.Main(os.Args)
		return
	}
	c := parseFlags()
	if c.dir == "" {
		fmt.Fprintln(os.Stderr, "testcluster: --dir is required")
		os.Exit(2)
	}
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", err)
		os.Exit(1)
	}
}

func parseFlags() config {
	var c config
	flag.StringVar(&c.dir, "dir", "", "folder for certificates, data, logs and the kubeconfig (made if missing; required)")
	flag.IntVar(&c.port, "port", 0, "loopback TCP port of the API server (0: any free one)")
	flag.BoolVar(&c.keep, "keep", false, "keep etcd data left in --dir by an earlier run (default: start empty)")
	flag.BoolVar(&c.fsync, "fsync", false, "let etcd fsync (default: off, tests do not need durability)")
	flag.BoolVar(&c.audit, "audit", false, "write a metadata-level audit log to DIR/audit.log")
	flag.BoolVar(&c.controllers, "controllers", true, "also run the namespace, garbage-collector and service-account controllers")
	flag.BoolVar(&c.exitOnStdin, "exit-on-stdin-close", false, "stop when standard input reaches end of file")
	flag.IntVar(&c.verbosity, "v", 0, "klog verbosity of DIR/apiserver.log")
	flag.Parse()
	c.extra = flag.Args()
	return c
}

func run(c config) error {
	started := time.Now()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.exitOnStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel(errors.New("standard input closed"))
		}()
	}
	if err := c.settle(); err != nil {
		return err
	}
	log, err := logTo(filepath.Join(c.dir, "apiserver.log"), c.verbosity)
	if err != nil {
		return err
	}
	defer log.Close()

	serverURL := fmt.Sprintf("https://127.0.0.1:%d", c.port)
	keys, err := writePKI(c.dir, serverURL)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	etcd, endpoint, stopEtcd, err := startEtcd(ctx, c.dir, c.fsync)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer stopEtcd()

	failed := make(chan error, 2)
	served := make(chan struct{})
	go func() {
		defer close(served)
		err := runAPIServer(ctx, c, endpoint)
		failed <- fmt.Errorf("kube-apiserver stopped (see %s): %w", log.Name(), errOr(err, errors.New("no reason given")))
	}()
	go func() { failed <- fmt.Errorf("etcd stopped: %w", <-etcd.Err()) }()

	if err := waitUntilReady(ctx, readiness(keys, serverURL), failed); err != nil {
		return err
	}
	kubeconfig := filepath.Join(c.dir, "kubeconfig")
	if c.controllers {
		if err := startControllers(ctx, kubeconfig); err != nil {
			return fmt.Errorf("controllers: %w", err)
		}
	}
	fmt.Printf("READY %s %s (%.2fs)\n", serverURL, kubeconfig, time.Since(started).Seconds())
	return serveUntilDone(ctx, failed, served)
}

// settle makes the folder absolute and fresh, and picks the port.
func (c *config) settle() (err error) {
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	if !c.keep {
		if err := os.RemoveAll(filepath.Join(c.dir, "etcd")); err != nil {
			return err
		}
	}
	if c.port == 0 {
		c.port, err = freePort()
	}
	return err
}

// logTo sends klog, which is process-wide, to a file: stdout and stderr are for the harness.
func logTo(path string, verbosity int) (*os.File, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{
		"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL",
		"one_output": "true", "v": strconv.Itoa(verbosity),
	} {
		if err := flags.Set(name, value); err != nil {
			file.Close()
			return nil, err
		}
	}
	klog.SetOutput(file)
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return file, nil
}

func waitUntilReady(ctx context.Context, ready func(context.Context) bool, failed <-chan error) error {
	const patience = 3 * time.Minute
	for deadline := time.Now().Add(patience); !ready(ctx); {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s", patience)
		}
	}
	return nil
}

// serveUntilDone waits for the end that was asked for (no error) or for a failure.
func serveUntilDone(ctx context.Context, failed <-chan error, served <-chan struct{}) error {
	select {
	case err := <-failed:
		if ctx.Err() == nil {
			return err
		}
	case <-ctx.Done():
	}
	select {
	case <-served:
	case <-time.After(10 * time.Second): // a client that holds a request open must not hold the tests up
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
