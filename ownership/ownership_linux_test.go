package ownership

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFixRace exchanges a file and a directory with links all the time while root repairs.
func TestFixRace(t *testing.T) {
	const user = 65534
	p := newPlace(t)
	p.file("config/", 0, 0o750)
	p.file("config/mox.conf", 0, 0o640)
	p.file("secret/", 0, 0o755)
	p.file("secret/key", 0, 0o600)
	p.must(p.fix())
	p.file("data/f", user, 0o666)
	p.link("data/flink", "../secret/key", user)
	p.file("data/d/", user, 0o777)
	p.file("data/d/key", user, 0o666)
	p.link("data/dlink", "../secret", user)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			for _, name := range []string{"f", "d"} {
				a, b := p.path("data/"+name), p.path("data/"+name+"link")
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
				_ = os.Lchown(a, 1234, 1234) // so that there is something to repair
				_ = os.Lchown(b, 1234, 1234)
			}
		}
	}()
	repaired := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		p.log.Reset()
		p.must(p.fix())
		if strings.Contains(p.log.String(), "fixing") {
			repaired++
		}
	}
	close(stop)
	if n := <-done; n < 100 || repaired < 10 {
		t.Errorf("%d exchanges, %d repairs", n, repaired)
	}
	p.want("secret", 0, 0, 0o755)
	p.want("secret/key", 0, 0, 0o600)
}
