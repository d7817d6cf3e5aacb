document.getElementById("app").textContent = import.meta.env.VITE_WHO + ":" + import.meta.env.MODE
