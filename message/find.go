package message

// Find reads the first part of a message that is wanted and can be read, trying at most max
// of those wanted. Without one it returns the error of the first that was tried, and found
// is false; the error is nil when none is wanted. What is in a part that was tried is not
// looked at.
func Find[T any](root *Part, max int, wanted func(*Part) bool, read func(*Part) (T, error)) (v T, found bool, first error) {
	tries := 0
	root.Walk(func(_ []int, p *Part) bool {
		if found || tries >= max {
			return false
		}
		if !wanted(p) {
			return true
		}
		tries++
		x, err := read(p)
		if err == nil {
			v, found = x, true
		} else if first == nil {
			first = err
		}
		return false
	})
	if found {
		first = nil
	}
	return v, found, first
}
